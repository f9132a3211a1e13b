#pragma once

#include "browser/browser.h"

/* How a browser is started: its command line, and the profile that it finds. */

/* The command; g_strfreev(). Nothing secret is in it. Fails if no browser is installed, or a flag
 * of the configuration is one that cannot be chosen. */
char **eg_browser_command_new(const EgBrowserParams *params, GError **error);

/* Writes the settings for which there are neither flags nor DevTools calls. The server of
 * `login_origin` (NULL: none) may ask for a password. */
bool eg_browser_profile_write(const EgBrowserParams *params, const char *login_origin,
                              GError **error);
