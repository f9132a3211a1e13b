#pragma once

#include "config/config.h"
#include "config/yaml-tree.h"

/* Puts into `config` what the document says, and what it says in vain into its warnings. */
bool eg_config_read_yaml(EgConfig *config, const EgYaml *yaml, const char *source, GError **error);
