#pragma once

#include <jansson.h>

#include "config/storage.h"

/* An EgStorage of JSON: its members by their names, those of a kind in an object of its own. */
EgStorage *description_read(json_t *root);
