#pragma once

#include "config/config.h"
#include "config/yaml-tree.h"

/* Completes what `config` says of stores with what `environment` says, and checks it. An error
 * names the key, and its line in `yaml`. */
bool eg_config_settle_storage(EgConfig *config, const EgYaml *yaml, const char *source,
                              const char *const *environment, GError **error);
