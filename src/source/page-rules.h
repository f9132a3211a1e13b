#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* Which addresses a page may reach: those of the public internet, and what is allowed besides.
 * Immutable: any thread. */
typedef struct _EgPageRules EgPageRules;

/* `allowed` (ends with NULL; NULL: nothing) are "host", "host:port", "address", "address:port" or
 * "network/bits". A host that is allowed may have any address. Errors name the entry. */
EgPageRules *eg_page_rules_new(const char *const *allowed, GError **error);
void eg_page_rules_free(EgPageRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPageRules, eg_page_rules_free)

/* Why `address`, which is one of `host` (its name or itself, as the page said it), must not be
 * reached: "private (RFC 1918)"; NULL if it may. */
const char *eg_page_rules_refusal(const EgPageRules *rules, const char *host, GInetAddress *address,
                                  guint16 port);

/* "::ffff:10.0.0.1" is 10.0.0.1: what is meant by an address (transfer full). */
GInetAddress *eg_page_rules_plain_address(GInetAddress *address);
