#pragma once

#include <glib.h>

#include "rpc_egress.pb-c.h"

/* What was given on the command line of `egress record`, as it was written: NULL, EG_OPTION_UNSET
 * or false is not given. Only for this folder. */
#define EG_OPTION_UNSET G_MININT

typedef struct {
    char *url;
    char *api_key;
    char *api_secret;
    char *token;
    char *room;
    char *layout;
    char *template_url;
    char *web;
    gboolean awaits_signal;
    char *participant;
    gboolean is_screen_share;
    char *track;
    char *audio_track;
    char *video_track;
    char **outputs;
    char *image_interval;
    gboolean may_overwrite;
    gboolean is_passthrough;
    char *preset;
    gint width;
    gint height;
    gint framerate;
    gint video_bitrate;
    gint audio_bitrate;
    gint audio_frequency;
    double key_frame_interval_s;
    char *video_codec;
    char *h264_encoder;
    char *encoder_preset;
    char *rate_control;
    char *audio_codec;
    char *duration;
    gboolean is_json;
    gboolean is_quiet;
    char *log_level;
    gboolean is_log_json;
    gboolean is_help;
    char **rest;
} EgRecordArguments;

/* The request that says the same; NULL and an error for what contradicts itself. */
Rpc__StartEgressRequest *eg_record_request_new(const EgRecordArguments *arguments, GError **error);
void eg_record_request_free(Rpc__StartEgressRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rpc__StartEgressRequest, eg_record_request_free)
