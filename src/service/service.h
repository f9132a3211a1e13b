#pragma once

#include "config/config.h"

/* The service: takes requests (over Redis from livekit-server, or over HTTP without), until it is
 * told to end by a signal: SIGTERM and SIGQUIT let what runs finish, SIGINT ends it now; a second
 * SIGINT does not even wait for that. `config_body` and `environment` are handed on to the
 * processes of the egresses. Returns when it is over; false and an error if it could not start. */
bool eg_service_run(const EgConfig *config, const char *config_body, const char *const *environment,
                    GError **error);
