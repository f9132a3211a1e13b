#include "request/preset.h"

#define PRESET(name) LIVEKIT__ENCODING_OPTIONS_PRESET__##name

static const EgPreset presets[] = {
    {"720p30",           PRESET(H264_720P_30),           1280, 720,  30, 3000000},
    {"720p60",           PRESET(H264_720P_60),           1280, 720,  60, 4500000},
    {"1080p30",          PRESET(H264_1080P_30),          1920, 1080, 30, 4500000},
    {"1080p60",          PRESET(H264_1080P_60),          1920, 1080, 60, 6000000},
    {"portrait-720p30",  PRESET(PORTRAIT_H264_720P_30),  720,  1280, 30, 3000000},
    {"portrait-720p60",  PRESET(PORTRAIT_H264_720P_60),  720,  1280, 60, 4500000},
    {"portrait-1080p30", PRESET(PORTRAIT_H264_1080P_30), 1080, 1920, 30, 4500000},
    {"portrait-1080p60", PRESET(PORTRAIT_H264_1080P_60), 1080, 1920, 60, 6000000},
};

const EgPreset *eg_preset_find(Livekit__EncodingOptionsPreset preset)
{
    for (gsize i = 0; i < G_N_ELEMENTS(presets); i++) {
        if (presets[i].preset == preset)
            return &presets[i];
    }
    return NULL;
}

const EgPreset *eg_preset_from_name(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(presets); i++) {
        if (g_ascii_strcasecmp(presets[i].name, name) == 0)
            return &presets[i];
    }
    return NULL;
}

char *eg_preset_names(void)
{
    GString *names = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(presets); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", presets[i].name);
    return g_string_free(names, FALSE);
}
