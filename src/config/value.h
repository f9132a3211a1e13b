#pragma once

#include "config/keys.h"

/* Puts what `text` says where `key` goes in `owner`, which is of the struct of its table. False,
 * and nothing changed, if that is not what the key takes. "" leaves what is there: an empty value
 * is how templates say that there is none. */
bool eg_config_value_set(void *owner, const EgConfigKey *key, const char *text);

/* The same for kinds that are lists; takes over `texts`, which is freed on failure. */
bool eg_config_value_set_list(void *owner, const EgConfigKey *key, char **texts);

bool eg_config_key_is_list(const EgConfigKey *key);

/* "a whole number from 0 to 65535": what the key takes. A new string. */
char *eg_config_value_wanted(const EgConfigKey *key);

/* Whether errors may show what stood there. Not of what may hold a password. */
bool eg_config_value_is_public(const EgConfigKey *key);

/* Frees what `key` has put into `owner`. */
void eg_config_value_clear(void *owner, const EgConfigKey *key);
