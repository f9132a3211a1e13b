#include "sink/stream-queue.h"

#include "base/time.h"
#include "media/frame.h"

/* Of pictures more than from one key frame to the next; of sound more than that, since without
 * pictures before it most of it gets through. */
#define MAX_PICTURES_NS (6 * EG_NS_PER_S)
#define MAX_SOUND_NS    (12 * EG_NS_PER_S)
#define MAX_BYTES       (16 * 1024 * 1024)

/* How long a frame waits for those of the other kind that belong before it: pictures leave the
 * encoder up to a second after the sound. */
#define ORDER_NS (2 * EG_NS_PER_S)

typedef struct {
    GstBuffer *frame;
    gint64 came_ns; /* monotonic */
} Item;

typedef struct {
    GQueue items; /* Item */
    bool is_there;
} Lane;

struct _EgStreamQueue {
    Lane lanes[EG_N_MEDIA];
    gsize size_bytes;
    bool is_running; /* frames are taken */
    bool lacks_key;  /* pictures cannot be shown before the next key frame */
    guint64 dropped;
};

EgStreamQueue *eg_stream_queue_new(bool has_audio, bool has_video)
{
    EgStreamQueue *queue = g_new0(EgStreamQueue, 1);
    for (guint media = 0; media < EG_N_MEDIA; media++)
        g_queue_init(&queue->lanes[media].items);
    queue->lanes[EG_MEDIA_AUDIO].is_there = has_audio;
    queue->lanes[EG_MEDIA_VIDEO].is_there = has_video;
    queue->lacks_key = has_video;
    return queue;
}

static GstBuffer *pop(EgStreamQueue *queue, EgMedia media)
{
    Item *item = g_queue_pop_head(&queue->lanes[media].items);
    GstBuffer *frame = item->frame;
    g_free(item);
    queue->size_bytes -= gst_buffer_get_size(frame);
    return frame;
}

static void drop(EgStreamQueue *queue, EgMedia media)
{
    gst_buffer_unref(pop(queue, media));
}

void eg_stream_queue_free(EgStreamQueue *queue)
{
    if (queue == NULL)
        return;
    for (guint media = 0; media < EG_N_MEDIA; media++) {
        while (!g_queue_is_empty(&queue->lanes[media].items))
            drop(queue, (EgMedia)media);
    }
    g_free(queue);
}

static const Item *first(const EgStreamQueue *queue, EgMedia media)
{
    return queue->lanes[media].items.head != NULL ? queue->lanes[media].items.head->data : NULL;
}

static void drop_sound_before(EgStreamQueue *queue, gint64 dts_ns)
{
    const Item *item;
    while ((item = first(queue, EG_MEDIA_AUDIO)) != NULL && eg_frame_dts(item->frame) < dts_ns)
        drop(queue, EG_MEDIA_AUDIO);
}

/* The last key frame behind `head`; NULL if there is none. */
static GList *find_key(EgStreamQueue *queue, const GList *head)
{
    GList *link = queue->lanes[EG_MEDIA_VIDEO].items.tail;
    while (link != NULL && link != head && !eg_frame_is_key(((const Item *)link->data)->frame))
        link = link->prev;
    return link != head ? link : NULL;
}

/* Up to this one, all of them if it is NULL. Returns how many they were. */
static guint drop_pictures(EgStreamQueue *queue, const GList *until)
{
    GQueue *pictures = &queue->lanes[EG_MEDIA_VIDEO].items;
    guint n = pictures->length;
    while (pictures->head != until)
        drop(queue, EG_MEDIA_VIDEO);
    if (until == NULL)
        queue->lacks_key = true;
    return n - pictures->length;
}

static gint64 length_ns(const EgStreamQueue *queue, EgMedia media)
{
    const GQueue *items = &queue->lanes[media].items;
    if (items->length == 0)
        return 0;
    return eg_frame_dts(((const Item *)items->tail->data)->frame) -
           eg_frame_dts(((const Item *)items->head->data)->frame);
}

static void limit(EgStreamQueue *queue)
{
    guint n = 0;
    if (length_ns(queue, EG_MEDIA_VIDEO) > MAX_PICTURES_NS || queue->size_bytes > MAX_BYTES)
        n += drop_pictures(queue, find_key(queue, queue->lanes[EG_MEDIA_VIDEO].items.head));
    while (length_ns(queue, EG_MEDIA_AUDIO) > MAX_SOUND_NS || queue->size_bytes > MAX_BYTES) {
        if (first(queue, EG_MEDIA_AUDIO) == NULL)
            break;
        drop(queue, EG_MEDIA_AUDIO);
        n++;
    }
    /* What waits for a viewer who has not come is not missed by anybody. */
    if (queue->is_running)
        queue->dropped += n;
}

void eg_stream_queue_push(EgStreamQueue *queue, EgMedia media, GstBuffer *frame, gint64 now_ns)
{
    bool is_picture = media == EG_MEDIA_VIDEO;
    bool is_key = is_picture && eg_frame_is_key(frame);
    if (is_picture && queue->lacks_key && !is_key) {
        queue->dropped += queue->is_running;
        gst_buffer_unref(frame);
        return;
    }
    queue->lacks_key = queue->lacks_key && !is_key;
    Item *item = g_new(Item, 1);
    *item = (Item){.frame = frame, .came_ns = now_ns};
    g_queue_push_tail(&queue->lanes[media].items, item);
    queue->size_bytes += gst_buffer_get_size(frame);
    if (is_key && !queue->is_running)
        drop_pictures(queue, queue->lanes[EG_MEDIA_VIDEO].items.tail);
    limit(queue);
}

void eg_stream_queue_restart(EgStreamQueue *queue)
{
    queue->is_running = false;
    if (queue->lanes[EG_MEDIA_VIDEO].is_there)
        drop_pictures(queue, find_key(queue, NULL));
}

/* A stream begins with a key frame, and sound of before it would be heard without a picture. */
static bool start(EgStreamQueue *queue)
{
    const Item *item = first(queue, EG_MEDIA_VIDEO);
    if (queue->lanes[EG_MEDIA_VIDEO].is_there) {
        if (item == NULL)
            return false;
        drop_sound_before(queue, eg_frame_dts(item->frame));
    }
    queue->is_running = true;
    return true;
}

GstBuffer *eg_stream_queue_take(EgStreamQueue *queue, bool is_last, gint64 now_ns, EgMedia *media,
                                gint64 *next_ns)
{
    *next_ns = EG_TIME_NONE;
    if (!queue->is_running && !start(queue))
        return NULL;
    const Item *sound = first(queue, EG_MEDIA_AUDIO);
    const Item *picture = first(queue, EG_MEDIA_VIDEO);
    const Item *item = sound != NULL ? sound : picture;
    if (item == NULL)
        return NULL;
    if (sound != NULL && picture != NULL)
        item = eg_frame_dts(sound->frame) < eg_frame_dts(picture->frame) ? sound : picture;
    *media = item == sound ? EG_MEDIA_AUDIO : EG_MEDIA_VIDEO;
    EgMedia other = item == sound ? EG_MEDIA_VIDEO : EG_MEDIA_AUDIO;
    bool may_be_first = queue->lanes[other].is_there && first(queue, other) == NULL && !is_last;
    if (may_be_first && now_ns < item->came_ns + ORDER_NS) {
        *next_ns = item->came_ns + ORDER_NS;
        return NULL;
    }
    return pop(queue, *media);
}

guint64 eg_stream_queue_dropped(const EgStreamQueue *queue)
{
    return queue->dropped;
}
