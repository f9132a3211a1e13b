package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// material is one loop of encoded media.
type material struct {
	units    [][]byte // pictures or packets, in order
	gop      int64    // every how many units one can start
	width    int
	height   int
	silence  []byte // a packet that sounds like nothing; nil for pictures
	rate     cadence
	rtpClock int64
}

// unit returns the n-th unit since the epoch.
func (m *material) unit(n int64) []byte { return m.units[n%int64(len(m.units))] }

// videoSpec and audioSpec say which material it is.
type videoSpec struct {
	codec         string
	width, height int
	fps, tag      int
	busy          bool // with texture, at the bitrate of a camera
}

type audioSpec struct {
	codec   string
	toneHz  int
	stereo  bool
	rightHz int // with stereo
}

const (
	packetsPerSecond = 50
	opusRate         = 48000
	g711Rate         = 8000
	// The Opus encoder has this long to settle before the first packet that is used.
	opusPrerollPackets = 50
)

type videoCodec struct {
	extension string
	encoder   func(s videoSpec) []string // arguments of ffmpeg
	isKey     func(frame []byte) bool
	read      func(data []byte) ([][]byte, error)
}

var videoCodecs = map[string]videoCodec{
	"h264": {
		extension: "h264",
		encoder: func(s videoSpec) []string {
			arguments := []string{"-c:v", "libx264", "-profile:v", "baseline", "-preset", "veryfast",
				"-tune", "zerolatency", "-threads", "1", "-x264-params",
				"scenecut=0:aud=1:repeat-headers=1:slices=1:sliced-threads=0", "-f", "h264"}
			if s.busy {
				return append(arguments, "-b:v", s.busyRate(), "-maxrate", s.busyRate(), "-bufsize", s.busyRate())
			}
			return append(arguments, "-crf", "23")
		},
		isKey: isH264Key,
		read:  func(data []byte) ([][]byte, error) { return readAnnexB(data), nil },
	},
	"vp8": {
		extension: "ivf",
		encoder: func(s videoSpec) []string {
			return append([]string{"-c:v", "libvpx", "-cpu-used", "8"}, libvpxArguments(s)...)
		},
		isKey: func(frame []byte) bool { return len(frame) > 0 && frame[0]&1 == 0 },
		read:  readIVF,
	},
	"vp9": {
		extension: "ivf",
		encoder: func(s videoSpec) []string {
			return append([]string{"-c:v", "libvpx-vp9", "-cpu-used", "8", "-row-mt", "1"},
				libvpxArguments(s)...)
		},
		// Frame marker 2, profile 0, a frame of its own, and not an inter frame.
		isKey: func(frame []byte) bool { return len(frame) > 0 && frame[0]&0xfc == 0x80 },
		read:  readIVF,
	},
}

func libvpxArguments(s videoSpec) []string {
	// Enough for the cells to be sharp; the quantizer's upper bound holds where it is not.
	bits := strconv.Itoa(150_000 + s.width*s.height)
	if s.busy {
		bits = s.busyRate()
	}
	return []string{"-deadline", "realtime", "-lag-in-frames", "0", "-auto-alt-ref", "0",
		"-qmin", "4", "-qmax", "44", "-b:v", bits, "-minrate", bits, "-maxrate", bits, "-threads", "2", "-f", "ivf"}
}

func isH264Key(picture []byte) bool {
	const idr = 5
	for _, unit := range bytes.Split(picture, []byte{0, 0, 0, 1}) {
		if len(unit) > 0 && unit[0]&0x1f == idr {
			return true
		}
	}
	return false
}

// gop returns the distance of key frames: half a second, or a second where that is no whole number.
func (s videoSpec) gop() int {
	if s.fps%2 == 0 {
		return s.fps / 2
	}
	return s.fps
}

// busyRate returns the bitrate of a busy picture: 1.7 Mbit/s at 1280x720 and 30 frames per second.
func (s videoSpec) busyRate() string {
	return strconv.Itoa(1_700_000 * s.width * s.height / (1280 * 720) * s.fps / 30)
}

func (s videoSpec) check() error {
	codec, known := videoCodecs[s.codec]
	switch {
	case !known || codec.read == nil:
		return fmt.Errorf("unknown video codec %q; it is h264, vp8 or vp9", s.codec)
	case s.width < 160 || s.height < 90 || s.width > 3840 || s.height > 2160:
		return fmt.Errorf("a picture of %dx%d; it is 160x90 to 3840x2160", s.width, s.height)
	case s.codec == "h264" && (s.width%2 != 0 || s.height%2 != 0):
		return fmt.Errorf("H.264 4:2:0 has no odd size like %dx%d", s.width, s.height)
	case s.fps < 2 || s.fps*loopSeconds > 1<<counterBits:
		return fmt.Errorf("%d frames per second; it is 2 to %d", s.fps, 1<<counterBits/loopSeconds)
	case s.tag < 0 || s.tag >= 1<<tagBits:
		return fmt.Errorf("tag %d; it is 0 to %d", s.tag, 1<<tagBits-1)
	}
	return nil
}

func (s audioSpec) check() error {
	switch {
	case s.codec != "opus" && s.codec != "pcmu" && s.codec != "pcma":
		return fmt.Errorf("unknown audio codec %q; it is opus, pcmu or pcma", s.codec)
	case s.toneHz < 100 || s.toneHz > highestTone:
		return fmt.Errorf("a tone of %d Hz; it is 100 to %d", s.toneHz, highestTone)
	case s.stereo && s.codec != "opus":
		return fmt.Errorf("%s is never stereo", s.codec)
	}
	return nil
}

// load returns the material, made before if this is the first time that anybody asks for it.
func (s videoSpec) load() (*material, error) {
	path, err := s.file()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return s.parse(data)
}

func (s videoSpec) parse(data []byte) (*material, error) {
	codec := videoCodecs[s.codec]
	frames, err := codec.read(data)
	if err != nil {
		return nil, err
	}
	if len(frames) != s.fps*loopSeconds {
		return nil, fmt.Errorf("%d %s pictures instead of %d", len(frames), s.codec, s.fps*loopSeconds)
	}
	for n, frame := range frames {
		if n%s.gop() == 0 && !codec.isKey(frame) {
			return nil, fmt.Errorf("%s picture %d is not a key frame", s.codec, n)
		}
	}
	return &material{units: frames, gop: int64(s.gop()), width: s.width, height: s.height,
		rate: cadence{int64(s.fps)}, rtpClock: 90000}, nil
}

func (s audioSpec) load() (*material, error) {
	switch s.codec {
	case "pcmu":
		return s.g711(muLaw), nil
	case "pcma":
		return s.g711(aLaw), nil
	}
	path, err := s.file()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return s.parse(data)
}

func (s audioSpec) parse(data []byte) (*material, error) {
	packets, _, err := readOggOpus(data)
	if err != nil {
		return nil, err
	}
	count := loopSeconds * packetsPerSecond
	if len(packets) < opusPrerollPackets+count {
		return nil, fmt.Errorf("only %d Opus packets", len(packets))
	}
	// One 20 ms frame of CELT at full band, of no content (RFC 6716 section 3.1).
	silence := []byte{0xf8, 0xff, 0xfe}
	if s.stereo {
		silence[0] |= 4
	}
	return &material{units: packets[opusPrerollPackets : opusPrerollPackets+count], gop: 1,
		silence: silence, rate: cadence{packetsPerSecond}, rtpClock: opusRate}, nil
}

func (s audioSpec) g711(encode func(int16) byte) *material {
	const size = g711Rate / packetsPerSecond
	m := &material{gop: 1, rate: cadence{packetsPerSecond}, rtpClock: g711Rate}
	m.silence = bytes.Repeat([]byte{encode(0)}, size)
	for n := range int64(loopSeconds * packetsPerSecond) {
		packet := make([]byte, size)
		for i := range packet {
			packet[i] = encode(pcm16(soundAt(n*size+int64(i), g711Rate, s.toneHz)))
		}
		m.units = append(m.units, packet)
	}
	return m
}

// file returns the path of the encoded loop in the cache.
func (s videoSpec) file() (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	look := ""
	if s.busy {
		look = "-busy"
	}
	name := fmt.Sprintf("%s-%dx%d-%d-tag%d%s.%s", s.codec, s.width, s.height, s.fps, s.tag, look,
		videoCodecs[s.codec].extension)
	return inCache(name, s.encode)
}

func (s audioSpec) file() (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	if s.codec != "opus" {
		return "", errors.New("G.711 needs no file")
	}
	name := fmt.Sprintf("opus-%d.ogg", s.toneHz)
	if s.stereo {
		name = fmt.Sprintf("opus-%d-%d.ogg", s.toneHz, s.rightHz)
	}
	return inCache(name, s.encode)
}

func (s videoSpec) encode(path string) error {
	gop := strconv.Itoa(s.gop())
	arguments := []string{"-f", "rawvideo", "-pix_fmt", "yuv420p",
		"-s", fmt.Sprintf("%dx%d", s.width, s.height), "-r", strconv.Itoa(s.fps), "-i", "-",
		"-g", gop, "-keyint_min", gop}
	arguments = append(arguments, videoCodecs[s.codec].encoder(s)...)
	err := ffmpeg(append(arguments, path), func(to io.Writer) error {
		picture := newCanvas(s.width, s.height)
		picture.drawStill()
		for n := range s.fps * loopSeconds {
			picture.drawFrame(n, s.tag, s.fps, s.busy)
			if _, err := to.Write(picture.pixels); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return verify(path, func(data []byte) error { _, err := s.parse(data); return err })
}

// encode makes the loop so that the sound which a decoder puts out for packet n is that of the 20 ms
// from n: the encoder is fed with what comes later by its own delay.
func (s audioSpec) encode(path string) error {
	const guess = 120 // samples of delay of the mode that is asked for here
	channels := []int{s.toneHz}
	if s.stereo {
		channels = append(channels, s.rightHz)
	}
	arguments := []string{"-f", "s16le", "-ar", strconv.Itoa(opusRate), "-ac", strconv.Itoa(len(channels)),
		"-i", "-", "-c:a", "libopus", "-application", "lowdelay", "-b:a", strconv.Itoa(64*len(channels)) + "k",
		"-compression_level", "5", "-frame_duration", "20", "-f", "ogg", path}
	err := ffmpeg(arguments, func(to io.Writer) error {
		const packet = opusRate / packetsPerSecond
		first := int64(guess - opusPrerollPackets*packet)
		// One more packet, so that the last one that is used ends in sound.
		count := int64((opusPrerollPackets + loopSeconds*packetsPerSecond + 1) * packet)
		var samples bytes.Buffer
		for n := range count {
			for _, hz := range channels {
				_ = binary.Write(&samples, binary.LittleEndian, pcm16(soundAt(first+n, opusRate, hz)))
			}
		}
		_, err := to.Write(samples.Bytes())
		return err
	})
	if err != nil {
		return err
	}
	return verify(path, func(data []byte) error {
		if _, err := s.parse(data); err != nil {
			return err
		}
		_, preSkip, err := readOggOpus(data)
		if err == nil && preSkip != guess {
			err = fmt.Errorf("the Opus encoder's delay is %d samples, not %d", preSkip, guess)
		}
		return err
	})
}

func verify(path string, check func(data []byte) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return check(data)
}

// ffmpeg runs the encoder on what feed writes.
func ffmpeg(arguments []string, feed func(to io.Writer) error) error {
	arguments = append([]string{"-nostdin", "-hide_banner", "-loglevel", "error", "-y"}, arguments...)
	encoder := exec.Command("ffmpeg", arguments...)
	var complaints bytes.Buffer
	encoder.Stderr = &complaints
	to, err := encoder.StdinPipe()
	if err != nil {
		return err
	}
	if err := encoder.Start(); err != nil {
		return fmt.Errorf("making test media: %w", err)
	}
	fed := feed(to)
	_ = to.Close()
	if err := encoder.Wait(); err != nil {
		return fmt.Errorf("making test media: ffmpeg: %w: %s", err, bytes.TrimSpace(complaints.Bytes()))
	}
	return fed
}

// inCache returns the path of a file in the cache, made by the function if it is not there. Several
// processes may ask for the same file at once; one makes it, and it appears when it is whole.
func inCache(name string, create func(path string) error) (string, error) {
	folder, err := cacheFolder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := create(path + ".new"); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

func cacheFolder() (string, error) {
	base := os.Getenv("EGRESS_CACHE")
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(user, "egress")
	}
	folder := filepath.Join(base, fmt.Sprintf("media-%d", materialVersion))
	return folder, os.MkdirAll(folder, 0o755)
}

// makeMedia makes one loop from the command line, and prints where it is.
func makeMedia(arguments []string) error {
	flags := flag.NewFlagSet("make-media", flag.ContinueOnError)
	codec := flags.String("codec", "h264", "h264, vp8, vp9 or opus")
	width := flags.Int("width", 640, "pixels")
	height := flags.Int("height", 360, "pixels")
	fps := flags.Int("fps", 30, "frames per second")
	tag := flags.Int("tag", 0, "whose picture it is, 0 to 15")
	busy := flags.Bool("busy", false, "with texture, at the bitrate of a camera")
	toneHz := flags.Int("tone", 0, "Hz; by default the tag's")
	stereo := flags.Bool("stereo", false, "a tone of its own on the right")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	var path string
	var err error
	if *codec == "opus" {
		path, err = newAudioSpec(*codec, *toneHz, *tag, *stereo).file()
	} else {
		path, err = videoSpec{*codec, *width, *height, *fps, *tag, *busy}.file()
	}
	if err == nil {
		fmt.Println(path)
	}
	return err
}

// newAudioSpec fills in the tone of a tag if none is given.
func newAudioSpec(codec string, toneHz, tag int, stereo bool) audioSpec {
	if toneHz == 0 {
		toneHz = 400 + 50*tag
	}
	s := audioSpec{codec: codec, toneHz: toneHz, stereo: stereo}
	if stereo {
		s.rightHz = toneHz + stereoStepHz
	}
	return s
}
