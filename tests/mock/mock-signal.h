#pragma once

#include "base/error.h"
#include "room/signal.h"

/* The functions of room/signal.h without a network: linked instead of them, a test says what comes
 * from the server. What the room sends is serialized and dropped. */

/* Hands over a message as it would come over the wire; false if it is malformed or there is no
 * connection. */
bool mock_signal_deliver(const guint8 *data, gsize size_bytes);

/* The connection fails or breaks, as if `code` were why. False if there is none. */
bool mock_signal_close(EgErrorCode code);
