#pragma once

#include "config/config.h"

/* Every key of the service's configuration: what it is, where it goes, what it is if nothing is
 * said. In one table, but for those of stores, which are the same in each section that is a store's
 * and have a table of their own. docs/CONFIG.md has the same rows, and a test that holds them
 * together. */

typedef enum {
    EG_KEY_NONE,
    EG_KEY_ANYTHING,     /* not looked into, not kept */
    EG_KEY_TEXT,         /* char * from here */
    EG_KEY_PATH,         /* absolute */
    EG_KEY_URL,          /* ws, wss, http, https */
    EG_KEY_WEB_URL,      /* http, https */
    EG_KEY_HOST,         /* name or address, no port */
    EG_KEY_ADDRESS,      /* host:port */
    EG_KEY_ADDRESSES,    /* char ** from here */
    EG_KEY_WEB_URLS,     /* http, https */
    EG_KEY_NETWORKS,     /* host, host:port, network as in 10.0.0.0/8, or * */
    EG_KEY_FLAGS,        /* a section of names of the user's own: "name=value" */
    EG_KEY_PAIRS,        /* likewise, but name, value, name, value */
    EG_KEY_STORAGE,      /* EgStorage *: a section with the keys of eg_storage_keys() */
    EG_KEY_SWITCH,       /* bool from here; two keys may lead to one, either turns it on */
    EG_KEY_CHOICE,       /* one of two words: `choices` */
    EG_KEY_WORD,         /* const char *, one of `words` */
    EG_KEY_NUMBER,       /* guint */
    EG_KEY_REAL,         /* double */
    EG_KEY_BYTES,        /* gint64 from here */
    EG_KEY_GIBIBYTES,    /* kept in bytes; those from here may have a fraction or a unit */
    EG_KEY_DURATION,     /* kept in ns, as all times; "1h30m" */
    EG_KEY_SECONDS,      /* a whole number, as is */
    EG_KEY_MILLISECONDS, /* this */
    EG_KEY_MINUTES,
    EG_KEY_LOG_LEVEL, /* EgLogLevel */
} EgKeyKind;

typedef struct {
    const char *path; /* "redis.tls.enabled" */
    EgKeyKind kind;
    gsize offset;           /* in EgConfig, or EgStorage, of the type that `kind` says; not of
                               ANYTHING */
    const char *standard;   /* what is taken if nothing is said; NULL: nothing, or another key's */
    double min;             /* of numbers and times, these in seconds */
    double max;             /* 0: none */
    bool zero_is_standard;  /* as in LiveKit, where 0 cannot be told from nothing */
    const char *choices[2]; /* false, true */
    const char *const *words;   /* static, ended by NULL */
    const char *unused_because; /* named in a warning if it says something else than `standard` */
    bool is_ours;               /* LiveKit has no such key */
} EgConfigKey;

typedef struct {
    const EgConfigKey *keys;
    guint n_keys;
} EgConfigTable;

const EgConfigTable *eg_config_keys(void);

/* Of one store, as they are below its section; of several kinds, of which a store has one. */
const EgConfigTable *eg_storage_keys(void);

const EgConfigKey *eg_config_key_find(const EgConfigTable *table, const char *path);

/* Whether there are keys below `path`. */
bool eg_config_key_is_section(const EgConfigTable *table, const char *path);

/* The known key or section that `path` may have been meant to be, or NULL. A new string. */
char *eg_config_key_nearest(const EgConfigTable *table, const char *path);
