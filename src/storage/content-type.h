#pragma once

/* The media type of a file, by its extension. Static; of what is not known, that of any bytes. */
const char *eg_content_type(const char *path);
