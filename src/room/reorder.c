#include "room/reorder.h"

#include "base/time.h"
#include "room/rtp.h"

/* How long a packet may be late by mere reordering before it is asked for, when it is asked for
 * again (the sender ignores what comes faster than its round trip), and how often. */
#define FIRST_NACK_NS  (8 * EG_NS_PER_MS)
#define REPEAT_NACK_NS (40 * EG_NS_PER_MS)
#define MAX_NACKS      10

#define MIN_CAPACITY 64

/* A second packet this close behind one that jumped confirms the jump. */
#define MAX_JUMP_DISTANCE 100
#define MAX_JUMP_WAIT_NS  (2 * EG_NS_PER_S)

typedef struct {
    EgPacket *packet; /* NULL: missing, or nothing but padding */
    gint64 missing_since_ns;
    gint64 next_nack_ns;
    guint8 n_nacks;
    bool is_missing;
} Slot;

struct _EgReorder {
    gint64 give_up_ns;
    bool has_nack;

    Slot *slots; /* ring: index i is at i % capacity */
    guint64 capacity;
    guint64 next; /* index of the packet to be popped next */
    guint64 end;  /* after the newest one */
    guint64 n_missing;
    guint64 give_up_before; /* what is missing below this index is not waited for */
    guint16 shift;          /* from the low bits of an index to a sequence number */
    bool is_started;

    bool has_jump;
    guint16 jump_sequence;
    gint64 jump_ns;
    EgPacket *jump_packet;

    guint64 n_padding; /* indexes popped that held no media */
    gint64 due_ns;
    guint64 lost;
    guint64 recovered;
};

EgReorder *eg_reorder_new(gint64 give_up_ns, bool has_nack)
{
    EgReorder *reorder = g_new0(EgReorder, 1);
    reorder->give_up_ns = give_up_ns;
    reorder->has_nack = has_nack;
    reorder->capacity = MIN_CAPACITY;
    reorder->slots = g_new0(Slot, reorder->capacity);
    reorder->due_ns = G_MAXINT64;
    return reorder;
}

void eg_reorder_free(EgReorder *reorder)
{
    if (reorder == NULL)
        return;
    for (guint64 i = 0; i < reorder->capacity; i++)
        eg_packet_unref(reorder->slots[i].packet);
    eg_packet_unref(reorder->jump_packet);
    g_free(reorder->slots);
    g_free(reorder);
}

static Slot *slot_at(EgReorder *reorder, guint64 index)
{
    return &reorder->slots[index % reorder->capacity];
}

/* Room for the indexes up to `end`. A jump is bounded and the window is emptied to its size after
 * each push, so this ends at 8192. */
static void reserve(EgReorder *reorder, guint64 end)
{
    guint64 capacity = reorder->capacity;
    while (end - reorder->next > capacity)
        capacity *= 2;
    if (capacity == reorder->capacity)
        return;
    Slot *slots = g_new0(Slot, capacity);
    for (guint64 i = reorder->next; i < reorder->end; i++)
        slots[i % capacity] = *slot_at(reorder, i);
    g_free(reorder->slots);
    reorder->slots = slots;
    reorder->capacity = capacity;
}

static void add_missing(EgReorder *reorder, guint64 end, gint64 now_ns)
{
    for (; reorder->end < end; reorder->end++) {
        *slot_at(reorder, reorder->end) = (Slot){
            .is_missing = true,
            .missing_since_ns = now_ns,
            .next_nack_ns = reorder->has_nack ? now_ns + FIRST_NACK_NS : G_MAXINT64,
        };
        reorder->n_missing++;
        gint64 wait_ns =
            reorder->has_nack ? MIN(FIRST_NACK_NS, reorder->give_up_ns) : reorder->give_up_ns;
        reorder->due_ns = MIN(reorder->due_ns, now_ns + wait_ns);
    }
}

static void remove_missing(EgReorder *reorder)
{
    reorder->n_missing--;
    if (reorder->n_missing == 0)
        reorder->due_ns = G_MAXINT64;
}

/* At the end of the window or after it. */
static EgReorderResult append(EgReorder *reorder, guint64 index, EgPacket *packet, gint64 now_ns)
{
    reserve(reorder, index + 1);
    add_missing(reorder, index, now_ns);
    *slot_at(reorder, index) = (Slot){.packet = packet};
    reorder->end = index + 1;
    if (reorder->end - reorder->next > EG_REORDER_MAX_PACKETS)
        reorder->give_up_before =
            MAX(reorder->give_up_before, reorder->end - EG_REORDER_MAX_PACKETS);
    return EG_REORDER_NEW;
}

static EgReorderResult insert(EgReorder *reorder, guint64 index, EgPacket *packet,
                              bool is_retransmission, gint64 now_ns)
{
    if (index >= reorder->end)
        return append(reorder, index, packet, now_ns);
    Slot *slot = index < reorder->next ? NULL : slot_at(reorder, index);
    if (slot == NULL || !slot->is_missing) {
        eg_packet_unref(packet);
        return EG_REORDER_DUPLICATE;
    }
    /* What was asked for comes as a retransmission on the original SSRC too: servers do that. */
    bool is_recovered = slot->n_nacks > 0 || is_retransmission;
    if (is_recovered && packet != NULL)
        packet->is_recovered = true;
    reorder->recovered += is_recovered ? 1 : 0;
    *slot = (Slot){.packet = packet};
    remove_missing(reorder);
    return is_recovered ? EG_REORDER_RECOVERED : EG_REORDER_FILLED;
}

/* The sender counts anew from the packet that jumped. One index stays missing in between, so that
 * whoever looks at the sequence sees that it is broken. */
static void restart(EgReorder *reorder, gint64 now_ns)
{
    guint64 index = reorder->end + 1;
    append(reorder, index, reorder->jump_packet, now_ns);
    reorder->jump_packet = NULL;
    reorder->has_jump = false;
    reorder->shift = (guint16)(reorder->jump_sequence - (guint16)(index & 0xffff));
    reorder->give_up_before = index;
}

static EgReorderResult push_jump(EgReorder *reorder, guint16 sequence, EgPacket *packet,
                                 gint64 now_ns)
{
    guint16 distance = (guint16)(sequence - reorder->jump_sequence);
    if (reorder->has_jump && now_ns - reorder->jump_ns <= MAX_JUMP_WAIT_NS && distance > 0 &&
        distance <= MAX_JUMP_DISTANCE) {
        restart(reorder, now_ns);
        return append(reorder, reorder->end - 1 + distance, packet, now_ns);
    }
    eg_packet_unref(reorder->jump_packet);
    reorder->has_jump = true;
    reorder->jump_sequence = sequence;
    reorder->jump_ns = now_ns;
    reorder->jump_packet = packet;
    return EG_REORDER_HELD;
}

EgReorderResult eg_reorder_push(EgReorder *reorder, guint16 sequence, EgPacket *packet,
                                bool is_retransmission, gint64 now_ns)
{
    if (!reorder->is_started) {
        reorder->is_started = true;
        /* Not from zero, so that what came before the first packet is before it here too. */
        reorder->next = reorder->end = (G_GUINT64_CONSTANT(1) << 16) + sequence;
    }
    guint16 newest = (guint16)(((reorder->end - 1) & 0xffff) + reorder->shift);
    gint distance = (gint16)(guint16)(sequence - newest);
    if (ABS(distance) <= EG_REORDER_MAX_JUMP)
        return insert(reorder, reorder->end - 1 + (guint64)(gint64)distance, packet,
                      is_retransmission, now_ns);
    if (!is_retransmission)
        return push_jump(reorder, sequence, packet, now_ns);
    eg_packet_unref(packet);
    return EG_REORDER_DUPLICATE;
}

static bool is_given_up(const EgReorder *reorder, const Slot *slot, gint64 now_ns)
{
    return reorder->next < reorder->give_up_before ||
           now_ns >= slot->missing_since_ns + reorder->give_up_ns;
}

EgPacket *eg_reorder_pop(EgReorder *reorder, gint64 now_ns)
{
    while (reorder->next < reorder->end) {
        Slot *slot = slot_at(reorder, reorder->next);
        if (slot->is_missing) {
            if (!is_given_up(reorder, slot, now_ns))
                return NULL;
            reorder->lost++;
            remove_missing(reorder);
        }
        EgPacket *packet = slot->packet;
        bool is_padding = packet == NULL && !slot->is_missing;
        *slot = (Slot){0};
        guint64 index = reorder->next++;
        if (is_padding)
            reorder->n_padding++;
        if (packet != NULL) {
            eg_rtp_set_sequence(packet, index - reorder->n_padding);
            return packet;
        }
    }
    return NULL;
}

gint64 eg_reorder_due_ns(const EgReorder *reorder)
{
    return reorder->due_ns;
}

gsize eg_reorder_take_nacks(EgReorder *reorder, gint64 now_ns, guint16 *sequences, gsize capacity)
{
    gsize n = 0;
    reorder->due_ns = G_MAXINT64;
    if (reorder->n_missing == 0)
        return 0;
    for (guint64 i = reorder->next; i < reorder->end; i++) {
        Slot *slot = slot_at(reorder, i);
        if (!slot->is_missing)
            continue;
        if (slot->next_nack_ns <= now_ns && n < capacity) {
            sequences[n++] = (guint16)((i & 0xffff) + reorder->shift);
            slot->n_nacks++;
            slot->next_nack_ns = slot->n_nacks < MAX_NACKS ? now_ns + REPEAT_NACK_NS : G_MAXINT64;
        }
        gint64 give_up_ns = slot->missing_since_ns + reorder->give_up_ns;
        reorder->due_ns = MIN(reorder->due_ns, MIN(slot->next_nack_ns, give_up_ns));
    }
    return n;
}

bool eg_reorder_is_started(const EgReorder *reorder)
{
    return reorder->is_started;
}

guint64 eg_reorder_lost(const EgReorder *reorder)
{
    return reorder->lost;
}

guint64 eg_reorder_recovered(const EgReorder *reorder)
{
    return reorder->recovered;
}
