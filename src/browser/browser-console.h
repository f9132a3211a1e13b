#pragma once

#include <jansson.h>

#include "browser/browser.h"

/* What a page writes to its console: signals, and lines for the log, which are bounded in length
 * and number, since the page decides both. */
typedef struct _EgBrowserConsole EgBrowserConsole;

/* With `logs_all`, all is logged at info; else warnings and errors at debug. */
EgBrowserConsole *eg_browser_console_new(const EgLog *log, bool logs_all);
void eg_browser_console_free(EgBrowserConsole *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgBrowserConsole, eg_browser_console_free)

/* Runtime.consoleAPICalled. Returns the signal that it is; `value` is of `params`, or NULL. */
EgBrowserSignal eg_browser_console_call(EgBrowserConsole *console, const json_t *params,
                                        gint64 now_ns, const char **value);

/* Runtime.exceptionThrown. */
void eg_browser_console_throw(EgBrowserConsole *console, const json_t *params, gint64 now_ns);
