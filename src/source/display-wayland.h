#pragma once

#include "source/display-class.h"

/* A display that is a Wayland compositor in this process, without a server. Programs draw in shared
 * memory, and are told at each instant that it is time for the next frame. */
extern const EgDisplayClass eg_display_wayland;
