#pragma once

/* An authority and what it has signed, made in a moment: files in a folder, valid for an hour. */

/* Writes NAME.pem and NAME-key.pem, a certificate of its own authority. */
void certificates_make_authority(const char *folder, const char *name);

/* Writes NAME.pem and NAME-key.pem, signed by the authority; `alternative` is what it is for,
 * "IP:127.0.0.1" or "DNS:redis.test". */
void certificates_make(const char *folder, const char *name, const char *authority,
                       const char *alternative);

/* FOLDER/NAME.pem; free with g_free(). */
char *certificates_path(const char *folder, const char *name);
