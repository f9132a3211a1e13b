#include "bus/redis-reader.h"

static void *(*create_any_array)(const redisReadTask *task, int n_elements);

/* hiredis would allocate what the length says before anything of it has come. */
static void *create_array(const redisReadTask *task, int n_elements)
{
    return n_elements <= EG_REDIS_MAX_REPLY_ELEMENTS ? create_any_array(task, n_elements) : NULL;
}

redisReader *eg_redis_reader_new(void)
{
    static redisReplyObjectFunctions functions;
    redisReader *reader = redisReaderCreate();
    if (create_any_array == NULL) {
        functions = *reader->fn;
        create_any_array = functions.createArray;
        functions.createArray = create_array;
    }
    reader->fn = &functions;
    return reader;
}

int eg_redis_reader_feed(redisReader *reader, const char *data, size_t length)
{
    if (reader->len - reader->pos + length > EG_REDIS_MAX_REPLY_BYTES)
        return REDIS_ERR;
    return redisReaderFeed(reader, data, length);
}
