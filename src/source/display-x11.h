#pragma once

#include "source/display-class.h"

/* Xvfb, whose framebuffer is shared memory. Its socket has no file, and needs a secret that only
 * programs with the display's environment find, so that no page can look into another egress. */
extern const EgDisplayClass eg_display_x11;
