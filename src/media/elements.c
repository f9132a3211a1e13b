#include "media/elements.h"

#include <gst/gst.h>

/* Decoders run on one thread each: a fifth cheaper than frame threads, and no delay by them. Errors
 * in a stream never end it (that is the default of GStreamer's decoders).
 *
 * rtph264depay hands parameter sets on within the stream, where a file keeps them too: when a
 * publisher changes its picture size they are what a decoder goes by. h264parse reads size and
 * profile from them, since what the signalling says of the profile may be wrong.
 *
 * Priming: avenc_aac 1024 frames, LAME 576 and the 529 of every MP3 decoder; Opus says its own in
 * its header (312 at 48 kHz). Fixed by tests/media/test-codec-chain.c. */
#define H264_FILE_CAPS "video/x-h264,stream-format=avc,alignment=au"
#define H264_RTP_CAPS  "video/x-h264,stream-format=byte-stream,alignment=au"
#define H264_DEPAYLOADER                                                                           \
    "rtph264depay ! " H264_RTP_CAPS " ! h264parse ! capsfilter caps=" H264_FILE_CAPS
#define VPX_REALTIME "deadline=1 cpu-used=8 end-usage=cbr lag-in-frames=0"
#define VPX(vpx_element, vpx_settings)                                                             \
    {                                                                                              \
        .name = "libvpx", .element = (vpx_element), .settings = (vpx_settings),                    \
        .bitrate = "target-bitrate", .bitrate_unit_bps = 1, .key_frames = "keyframe-max-dist",     \
        .threads = "threads", .rates = {"", "", ""},                                               \
    }

static const EgElements opus = {
    .frame_caps = "audio/x-opus,rate=48000,channels=2,channel-mapping-family=0",
    .decoder = "opusdec plc=true",
    .encoders = {{"opusenc", "bitrate-type=cbr frame-size=20", 312}},
    .encoded_caps = "audio/x-opus",
    .block_frames = 960,
};

static const EgElements pcmu = {
    .frame_caps = "audio/x-mulaw,rate=8000,channels=1",
    .decoder = "mulawdec",
};

static const EgElements pcma = {
    .frame_caps = "audio/x-alaw,rate=8000,channels=1",
    .decoder = "alawdec",
};

static const EgElements aac = {
    .encoders = {{"avenc_aac", "", 1024}, {"voaacenc", "", 1600}},
    .encoded_caps = "audio/mpeg,mpegversion=4,stream-format=raw",
    .block_frames = 1024,
};

static const EgElements mp3 = {
    .encoders = {{"lamemp3enc", "target=bitrate cbr=true", 1105}},
    .encoded_caps = "audio/mpeg,mpegversion=1,layer=3",
    .block_frames = 1152,
};

static const EgElements pcm = {
    .encoders = {{"identity", "", 0}},
    .encoded_caps = "audio/x-raw,format=S16LE,layout=interleaved",
    .block_frames = 960,
};

static const EgVideoEncoderElement vp8_encoders[] = {VPX("vp8enc", VPX_REALTIME), {0}};
static const EgVideoEncoderElement vp9_encoders[] = {VPX("vp9enc", VPX_REALTIME " row-mt=true"),
                                                     {0}};

/* Hardware has its encoders where it has a driver; the old and the new VA plugins are two. No
 * B-frames but x264's, which are worth their delay. */
static const EgVideoEncoderElement h264_encoders[] = {
    {
     .name = "x264",
     .element = "x264enc",
     .settings = "vbv-buf-capacity=2000",
     .bitrate = "bitrate",
     .bitrate_unit_bps = 1000,
     .key_frames = "key-int-max",
     .threads = "threads",
     .preset = "speed-preset",
     .rates = {"", "", "pass=qual quantizer=23"},
     .options = "option-string",
     .options_key_frames = "scenecut=0",
     .options_constant = "nal-hrd=cbr",
     },
    {
     .name = "openh264",
     .element = "openh264enc",
     .settings = "complexity=low",
     .bitrate = "bitrate",
     .bitrate_unit_bps = 1,
     .key_frames = "gop-size",
     .threads = "multi-thread",
     .rates = {"rate-control=bitrate", "rate-control=bitrate", "rate-control=quality"},
     .is_byte_stream = true,
     },
    {
     .name = "va",
     .element = "vah264enc",
     .settings = "b-frames=0",
     .bitrate = "bitrate",
     .bitrate_unit_bps = 1000,
     .key_frames = "key-int-max",
     .rates = {"rate-control=vbr", "rate-control=cbr", "rate-control=cqp"},
     .raw_caps = "video/x-raw,format=NV12",
     .is_byte_stream = true,
     },
    {
     .name = "va",
     .element = "vah264lpenc",
     .settings = "b-frames=0",
     .bitrate = "bitrate",
     .bitrate_unit_bps = 1000,
     .key_frames = "key-int-max",
     .rates = {"rate-control=vbr", "rate-control=cbr", "rate-control=cqp"},
     .raw_caps = "video/x-raw,format=NV12",
     .is_byte_stream = true,
     },
    {
     .name = "va",
     .element = "vaapih264enc",
     .settings = "max-bframes=0",
     .bitrate = "bitrate",
     .bitrate_unit_bps = 1000,
     .key_frames = "keyframe-period",
     .rates = {"rate-control=vbr", "rate-control=cbr", "rate-control=cqp"},
     .raw_caps = "video/x-raw,format=NV12",
     .is_byte_stream = true,
     },
    {
     .name = "nvenc",
     .element = "nvh264enc",
     .settings = "bframes=0",
     .bitrate = "bitrate",
     .bitrate_unit_bps = 1000,
     .key_frames = "gop-size",
     .rates = {"rc-mode=vbr", "rc-mode=cbr", "rc-mode=constqp"},
     .raw_caps = "video/x-raw,format=NV12",
     .is_byte_stream = true,
     },
    {0                                          },
};

static const EgElements vp8 = {
    .frame_caps = "video/x-vp8",
    .decoder = "vp8dec threads=1",
    .video_encoders = vp8_encoders,
    .encoded_caps = "video/x-vp8",
};

static const EgElements vp9 = {
    .frame_caps = "video/x-vp9",
    .decoder = "vp9dec threads=1",
    .video_encoders = vp9_encoders,
    .encoded_caps = "video/x-vp9",
};

static const EgElements h264 = {
    .rtp_caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264",
    .depayloader = H264_DEPAYLOADER,
    .decoder = "avdec_h264 max-threads=1 output-corrupt=false",
    .video_encoders = h264_encoders,
    .encoded_caps = H264_FILE_CAPS,
};

static const EgElements *const elements[EG_N_CODECS] = {
    [EG_CODEC_OPUS] = &opus, [EG_CODEC_PCMU] = &pcmu, [EG_CODEC_PCMA] = &pcma,
    [EG_CODEC_AAC] = &aac,   [EG_CODEC_MP3] = &mp3,   [EG_CODEC_VP8] = &vp8,
    [EG_CODEC_PCM] = &pcm,   [EG_CODEC_VP9] = &vp9,   [EG_CODEC_H264] = &h264,
};

const EgElements *eg_elements(EgCodec codec)
{
    g_assert(codec > EG_CODEC_NONE && codec < EG_N_CODECS);
    return elements[codec];
}

static void load(const char *description)
{
    if (description == NULL)
        return;
    g_autoptr(GstElement) bin = gst_parse_bin_from_description(description, FALSE, NULL);
    if (bin != NULL)
        gst_object_ref_sink(bin);
}

void eg_elements_load(EgCodec codec, bool decodes)
{
    load(eg_elements(codec)->depayloader);
    if (decodes)
        load(eg_elements(codec)->decoder);
}
