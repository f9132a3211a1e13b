#pragma once

#include <jansson.h>

#include "browser/devtools.h"

/* The user and password in a URL, http://user:password@host/, for the server of that URL alone:
 * others that ask are refused, as all are without it. Session thread only. */
typedef struct _EgBrowserLogin EgBrowserLogin;

/* NULL: there is none in the URL. */
EgBrowserLogin *eg_browser_login_new(const char *url);
void eg_browser_login_free(EgBrowserLogin *login);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgBrowserLogin, eg_browser_login_free)

/* "https://host:port". */
const char *eg_browser_login_origin(const EgBrowserLogin *login);

/* The parameters of Fetch.enable, by which the page's session tells of that server's questions. */
json_t *eg_browser_login_filter(const EgBrowserLogin *login);

/* An event of the page's session. False: it is none of the login's. */
bool eg_browser_login_handle(EgBrowserLogin *login, EgDevtools *devtools, const char *session,
                             const char *method, const json_t *params);

/* The URL without them; a new string. */
char *eg_browser_login_strip(const char *url);
