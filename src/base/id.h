#pragma once

/* `prefix` ("EG_", "NE_") and twelve random letters and digits, as LiveKit names everything. A new
 * string. */
char *eg_id_new(const char *prefix);
