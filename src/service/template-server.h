#pragma once

#include "base/loop.h"

/* Serves the default page (templates/), which is part of the program, on the loopback address: for
 * the browsers of this machine that record rooms. There is nothing else to be had. */
typedef struct _EgTemplateServer EgTemplateServer;

/* Listens on `port`, or, if that is 0, on one that is free. */
EgTemplateServer *eg_template_server_new(EgLoop *loop, guint port, GError **error);

/* The port that it listens on. */
guint eg_template_server_port(const EgTemplateServer *server);

void eg_template_server_free(EgTemplateServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgTemplateServer, eg_template_server_free)
