#pragma once

#include "base/loop.h"

/* A program that plays to a sound daemon. */
typedef struct _Player Player;

#define PLAYER_LEVEL 0.5

/* Instead of a frequency: silence, but for one sample. */
#define PLAYER_CLICK        0
#define PLAYER_CLICK_SAMPLE 48000

/* `server` NULL: as the environment says. Aborts on any error. */
Player *player_new(EgLoop *loop, const char *server, double frequency_hz);
void player_free(Player *player);

/* When that sample is heard, by what its library knows now; EG_TIME_NONE if nothing yet. */
gint64 player_instant_ns(Player *player, gint64 sample);

/* It was too slow at some time, and what it played then was delayed. */
bool player_had_gaps(const Player *player);
