#include "storage/content-type.h"

#include <glib.h>

const char *eg_content_type(const char *path)
{
    static const struct {
        const char *extension;
        const char *type;
    } types[] = {
        {".mp4",  "video/mp4"            },
        {".m4a",  "audio/mp4"            },
        {".webm", "video/webm"           },
        {".mkv",  "video/x-matroska"     },
        {".ogg",  "audio/ogg"            },
        {".mp3",  "audio/mpeg"           },
        {".wav",  "audio/wav"            },
        {".ts",   "video/mp2t"           },
        {".m3u8", "application/x-mpegurl"},
        {".jpeg", "image/jpeg"           },
        {".jpg",  "image/jpeg"           },
        {".png",  "image/png"            },
        {".webp", "image/webp"           },
        {".json", "application/json"     },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (g_str_has_suffix(path, types[i].extension))
            return types[i].type;
    }
    return "application/octet-stream";
}
