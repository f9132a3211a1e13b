#include "room/receiver.h"

#include "base/time.h"
#include "rtp-maker.h"

#define SSRC       0x11223344
#define RTX_SSRC   0x55667788
#define PT         96
#define RTX_PT     97
#define CLOCK_HZ   90000
#define GIVE_UP_MS 200
#define START_MS   5000

/* A receiver, a clock that only the test moves, and a record of all that happens:
 *   d7    packet 7 delivered (low 16 bits of its sequence; "!" when recovered)
 *   n7,8  asked for
 *   pli   picture loss indication
 *   @12   milliseconds since the start, before what a timer did */
typedef struct {
    EgReceiver *receiver;
    GString *record;
    gint64 now_ns;
    guint n_wakes;
    bool close_at_packet;
    guint64 last_sequence;
    EgPacket *kept;
    EgSenderReport report;
    guint n_reports;
} Fixture;

static void assert_payload(const EgPacket *packet, const char *text)
{
    g_assert_cmpuint(packet->size_bytes - packet->payload_offset, ==, strlen(text));
    g_assert_true(memcmp(packet->data + packet->payload_offset, text, strlen(text)) == 0);
}

static void on_packet(gpointer user, EgPacket *packet)
{
    Fixture *f = user;
    g_string_append_printf(f->record, "d%u%s ", (guint)(packet->sequence & 0xffff),
                           packet->is_recovered ? "!" : "");
    /* What is handed over can be read without looking at the sequence: it is what the packet says.
     */
    g_assert_cmpuint(eg_get_u16(packet->data + 2), ==, packet->sequence & 0xffff);
    g_assert_cmpuint(packet->sequence, >, f->last_sequence);
    g_assert_cmpuint(packet->ssrc, ==, SSRC);
    g_assert_cmpuint(packet->payload_type, ==, PT);
    g_assert_cmpuint(packet->size_bytes, >, packet->payload_offset);
    f->last_sequence = packet->sequence;
    g_clear_pointer(&f->kept, eg_packet_unref);
    f->kept = eg_packet_ref(packet);
    if (f->close_at_packet)
        eg_receiver_close(f->receiver);
}

static void on_sender_report(gpointer user, const EgSenderReport *report)
{
    Fixture *f = user;
    f->report = *report;
    f->n_reports++;
}

static void on_wake(gpointer user)
{
    Fixture *f = user;
    f->n_wakes++;
}

static void set_up(Fixture *f, bool has_nack)
{
    static const EgReceiverEvents events = {
        .packet = on_packet,
        .sender_report = on_sender_report,
    };
    EgReceiverParams params = {
        .ssrc = SSRC,
        .rtx_ssrc = RTX_SSRC,
        .media = EG_MEDIA_VIDEO,
        .clock_rate_hz = CLOCK_HZ,
        .has_nack = has_nack,
        .has_pli = true,
        .give_up_ns = GIVE_UP_MS * EG_NS_PER_MS,
    };
    *f = (Fixture){.record = g_string_new(NULL), .now_ns = START_MS * EG_NS_PER_MS};
    f->receiver = eg_receiver_new(&params, &events, f, on_wake, f);
}

static void tear_down(Fixture *f)
{
    eg_receiver_free(f->receiver);
    eg_packet_unref(f->kept);
    g_string_free(f->record, TRUE);
}

static void poll_once(Fixture *f)
{
    EgFeedback feedback;
    gsize before = f->record->len;
    eg_receiver_poll(f->receiver, f->now_ns, &feedback);
    for (gsize i = 0; i < feedback.n_nacks; i++)
        g_string_append_printf(f->record, "%s%u", i == 0 ? "n" : ",", feedback.nacks[i]);
    if (feedback.n_nacks > 0)
        g_string_append_c(f->record, ' ');
    if (feedback.wants_pli)
        g_string_append(f->record, "pli ");
    if (f->record->len > before) {
        g_autofree char *at = g_strdup_printf("@%d ", (int)(f->now_ns / EG_NS_PER_MS - START_MS));
        g_string_insert(f->record, (gssize)before, at);
    }
}

/* Lets time pass as the transport's timer would: poll is called whenever it is due. */
static void advance_to(Fixture *f, gint at_ms)
{
    gint64 at_ns = (START_MS + at_ms) * EG_NS_PER_MS;
    guint n_polls = 0;
    for (gint64 due_ns; (due_ns = eg_receiver_due_ns(f->receiver)) <= at_ns; n_polls++) {
        f->now_ns = MAX(f->now_ns, due_ns);
        poll_once(f);
        g_assert_cmpuint(n_polls, <, 1000);
    }
    f->now_ns = at_ns;
}

static void push(Fixture *f, const RtpMaker *maker, bool is_rtx)
{
    guint8 data[1500];
    gsize size = is_rtx ? make_rtx(maker, RTX_PT, RTX_SSRC, 1, data, sizeof(data))
                        : make_rtp(maker, data, sizeof(data));
    EgRtpHeader header;
    g_assert_true(eg_rtp_parse(data, size, &header));
    if (is_rtx)
        eg_receiver_push_rtx(f->receiver, data, &header, PT, f->now_ns);
    else
        eg_receiver_push(f->receiver, data, &header, f->now_ns);
}

/* 'p' packet, 'x' retransmission on the other SSRC, 'e' nothing but padding, 'y' the same on the
 * other SSRC, '.' time passes. */
typedef struct {
    gint at_ms;
    char what;
    guint16 sequence;
} Step;

static void run_step(Fixture *f, const Step *step)
{
    bool is_empty = step->what == 'e' || step->what == 'y';
    RtpMaker maker = {
        .payload_type = PT,
        .sequence = step->sequence,
        .timestamp = (guint32)(step->at_ms * (CLOCK_HZ / 1000)),
        .ssrc = SSRC,
        .payload = "media",
        .payload_bytes = is_empty ? 0 : 5,
        .padding_bytes = is_empty ? 200 : 0,
    };
    advance_to(f, step->at_ms);
    if (step->what != '.')
        push(f, &maker, step->what == 'x' || step->what == 'y');
}

typedef struct {
    const char *name;
    const char *record;
    bool has_no_nack;
    Step steps[24];
    guint64 lost;
    guint64 recovered;
    guint64 nacks;
} Case;

static const Case cases[] = {
    {
     .name = "in order",
     .steps = {{0, 'p', 7}, {10, 'p', 8}, {20, 'p', 9}, {900, 'p', 10}},
     .record = "d7 d8 d9 d10 ",
     },
    {
     .name = "wrap around",
     .steps = {{0, 'p', 65534}, {1, 'p', 65535}, {2, 'p', 0}, {3, 'p', 1}},
     .record = "d65534 d65535 d0 d1 ",
     },
    {
     .name = "reordered before it is asked for",
     .steps = {{0, 'p', 7}, {1, 'p', 9}, {2, 'p', 10}, {8, 'p', 8}, {500, '.'}},
     .record = "d7 d8 d9 d10 ",
     },
    {
     .name = "reordered over the wrap around",
     .steps = {{0, 'p', 65534}, {1, 'p', 1}, {2, 'p', 0}, {3, 'p', 65535}, {500, '.'}},
     .record = "d65534 d65535 d0 d1 ",
     },
    {
     .name = "before the first",
     .steps = {{0, 'p', 7}, {1, 'p', 6}, {2, 'p', 8}},
     .record = "d7 d8 ",
     },
    {
     .name = "duplicates",
     .steps = {{0, 'p', 7},
                  {1, 'p', 7},
                  {2, 'p', 9},
                  {3, 'p', 9},
                  {4, 'p', 8},
                  {5, 'p', 8},
                  {6, 'p', 9},
                  {300, '.'}},
     .record = "d7 d8 d9 ",
     },
    {
     .name = "recovered by a retransmission stream",
     .steps = {{0, 'p', 65534}, {10, 'p', 1}, {30, 'x', 0}, {31, 'x', 65535}, {300, '.'}},
     .record = "d65534 @18 n65535,0 d65535! d0! d1 ",
     .recovered = 2,
     .nacks = 2,
     },
    {
     .name = "recovered on the original SSRC",
     .steps = {{0, 'p', 7}, {10, 'p', 9}, {30, 'p', 8}, {300, '.'}},
     .record = "d7 @18 n8 d8! d9 ",
     .recovered = 1,
     .nacks = 1,
     },
    {
     .name = "asked for again, then given up",
     .steps = {{0, 'p', 7}, {10, 'p', 9}, {11, 'p', 10}, {220, 'p', 11}, {600, '.'}},
     .record = "d7 @18 n8 @58 n8 @98 n8 @138 n8 @178 n8 @210 d9 d10 d11 ",
     .lost = 1,
     .nacks = 5,
     },
    {
     .name = "given up, then it comes",
     .steps = {{0, 'p', 7}, {10, 'p', 9}, {215, 'x', 8}, {216, 'p', 8}, {217, 'p', 10}},
     .record = "d7 @18 n8 @58 n8 @98 n8 @138 n8 @178 n8 @210 d9 d10 ",
     .lost = 1,
     .nacks = 5,
     },
    {
     .name = "without NACK it is only waited for",
     .has_no_nack = true,
     .steps = {{0, 'p', 7}, {10, 'p', 9}, {20, 'p', 11}, {30, 'p', 10}, {600, '.'}},
     .record = "d7 @210 d9 d10 d11 ",
     .lost = 1,
     },
    {
     .name = "two gaps, each with its own time",
     .steps = {{0, 'p', 7}, {10, 'p', 9}, {40, 'p', 11}, {50, 'x', 10}, {600, '.'}},
     .record = "d7 @18 n8 @48 n10 @58 n8 @98 n8 @138 n8 @178 n8 @210 d9 d10! d11 ",
     .lost = 1,
     .recovered = 1,
     .nacks = 6,
     },
    {
     .name = "padding fills its place and is not counted",
     .steps = {{0, 'p', 7}, {1, 'e', 8}, {2, 'e', 9}, {3, 'p', 10}, {4, 'p', 11}, {300, '.'}},
     .record = "d7 d8 d9 ",
     },
    {
     .name = "padding that was missing",
     .steps = {{0, 'p', 7}, {1, 'p', 10}, {2, 'e', 9}, {3, 'e', 8}, {300, '.'}},
     .record = "d7 d8 ",
     },
    {
     .name = "padding first",
     .steps = {{0, 'e', 7}, {1, 'e', 8}, {2, 'p', 9}},
     .record = "d7 ",
     },
    {
     .name = "probes on the retransmission SSRC",
     .steps = {{0, 'y', 5}, {1, 'p', 7}, {2, 'y', 8}, {3, 'x', 7}, {4, 'p', 8}},
     .record = "d7 d8 ",
     },
    {
     .name = "retransmission before anything else",
     .steps = {{0, 'x', 7}, {1, 'p', 9}, {2, 'p', 10}},
     .record = "d9 d10 ",
     },
    {
     .name = "retransmission ahead of the stream",
     .steps = {{0, 'p', 7}, {1, 'x', 8}, {2, 'p', 9}},
     .record = "d7 d8! d9 ",
     },
    {
     .name = "retransmission of long ago",
     .steps = {{0, 'p', 7}, {1, 'x', 40000}, {2, 'x', 40001}, {3, 'p', 8}},
     .record = "d7 d8 ",
     },
    {
     .name = "a large gap is loss",
     .steps = {{0, 'p', 7}, {1, 'p', 3007}, {2, 'p', 3008}, {1000, '.'}},
     .has_no_nack = true,
     /* As much of it as is beyond the window at once, the rest after its time. */
        .record = "d7 @201 d3007 d3008 ",
     .lost = 2999,
     },
    {
     .name = "a jump is a restart",
     .steps = {{0, 'p', 7}, {1, 'p', 30000}, {2, 'p', 30001}, {3, 'p', 30002}},
     .record = "d7 d9 d10 d11 ",
     .lost = 1,
     },
    {
     .name = "a jump back is a restart",
     .steps = {{0, 'p', 30000}, {1, 'p', 7}, {2, 'p', 9}, {3, 'p', 8}, {300, '.'}},
     .record = "d30000 d30002 d30003 d30004 ",
     .lost = 1,
     },
    {
     .name = "missing packets after a restart",
     .steps = {{0, 'p', 7}, {1, 'p', 30000}, {2, 'p', 30001}, {3, 'p', 30003}, {20, 'x', 30002}},
     .record = "d7 d9 d10 @11 n30002 d11! d12 ",
     .lost = 1,
     .recovered = 1,
     .nacks = 1,
     },
    {
     .name = "what waits is delivered at a restart",
     .steps = {{0, 'p', 7}, {1, 'p', 9}, {2, 'p', 30000}, {3, 'p', 30001}, {300, '.'}},
     .record = "d7 d9 d11 d12 ",
     .lost = 2,
     },
    {
     .name = "one stray packet is no restart",
     .steps = {{0, 'p', 7},
                  {1, 'p', 30000},
                  {2, 'p', 8},
                  {3, 'p', 9},
                  {2100, 'p', 30001},
                  {2101, 'p', 10}},
     .record = "d7 d8 d9 d10 ",
     },
};

static void test_case(gconstpointer data)
{
    const Case *c = data;
    Fixture f;
    set_up(&f, !c->has_no_nack);
    for (gsize i = 0; i < G_N_ELEMENTS(c->steps) && c->steps[i].what != 0; i++)
        run_step(&f, &c->steps[i]);

    EgReceiverStats stats;
    eg_receiver_get_stats(f.receiver, &stats);
    g_assert_cmpstr(f.record->str, ==, c->record);
    g_assert_cmpuint(stats.lost, ==, c->lost);
    g_assert_cmpuint(stats.recovered, ==, c->recovered);
    g_assert_cmpuint(stats.nacks, ==, c->nacks);
    tear_down(&f);
}

/* More is missing than the window holds: what is beyond it does not wait. */
static void test_window(void)
{
    Fixture f;
    set_up(&f, false);
    run_step(&f, &(Step){0, 'p', 0});
    for (guint16 i = 2; i < 2049; i++)
        run_step(&f, &(Step){1, 'p', i});
    g_assert_cmpstr(f.record->str, ==, "d0 ");
    run_step(&f, &(Step){1, 'p', 2049});
    EgReceiverStats stats;
    eg_receiver_get_stats(f.receiver, &stats);
    g_assert_cmpuint(stats.packets, ==, 2049);
    g_assert_cmpuint(stats.lost, ==, 1);
    tear_down(&f);
}

/* More is missing than one feedback holds: the rest follows at once, nothing twice. */
static void test_many_nacks(void)
{
    Fixture f;
    set_up(&f, true);
    run_step(&f, &(Step){0, 'p', 65000});
    run_step(&f, &(Step){0, 'p', (guint16)(65000 + 601)});
    f.now_ns += 8 * EG_NS_PER_MS;
    guint16 expected = 65001;
    const gsize sizes[] = {256, 256, 88};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        EgFeedback feedback;
        g_assert_cmpint(eg_receiver_due_ns(f.receiver), <=, f.now_ns);
        eg_receiver_poll(f.receiver, f.now_ns, &feedback);
        g_assert_cmpuint(feedback.n_nacks, ==, sizes[i]);
        for (gsize k = 0; k < feedback.n_nacks; k++)
            g_assert_cmpuint(feedback.nacks[k], ==, expected++);
    }
    g_assert_cmpint(eg_receiver_due_ns(f.receiver), ==, f.now_ns + 40 * EG_NS_PER_MS);
    tear_down(&f);
}

static void test_nacks_end(void)
{
    Fixture f;
    set_up(&f, true);
    eg_receiver_free(f.receiver);
    EgReceiverParams params = {
        .ssrc = SSRC, .clock_rate_hz = CLOCK_HZ, .has_nack = true, .give_up_ns = EG_NS_PER_S};
    f.receiver =
        eg_receiver_new(&params, &(EgReceiverEvents){.packet = on_packet}, &f, on_wake, &f);
    run_step(&f, &(Step){0, 'p', 1});
    run_step(&f, &(Step){0, 'p', 3});
    run_step(&f, &(Step){2000, '.', 0});
    g_assert_cmpstr(f.record->str, ==,
                    "d1 @8 n2 @48 n2 @88 n2 @128 n2 @168 n2 @208 n2 @248 n2 @288 n2 @328 n2 "
                    "@368 n2 @1000 d3 ");
    tear_down(&f);
}

static void test_pli(void)
{
    Fixture f;
    set_up(&f, true);
    g_assert_cmpint(eg_receiver_due_ns(f.receiver), ==, G_MAXINT64);
    eg_receiver_set_wants_key_frame(f.receiver, true);
    eg_receiver_set_wants_key_frame(f.receiver, true);
    g_assert_cmpuint(f.n_wakes, ==, 1);
    advance_to(&f, 1200);
    eg_receiver_set_wants_key_frame(f.receiver, false);
    advance_to(&f, 9000);
    eg_receiver_set_wants_key_frame(f.receiver, true);
    advance_to(&f, 9010);
    eg_receiver_set_wants_key_frame(f.receiver, false);
    eg_receiver_set_wants_key_frame(f.receiver, true);
    advance_to(&f, 9300);
    g_assert_cmpstr(f.record->str, ==, "@0 pli @500 pli @1000 pli @9000 pli @9200 pli ");
    EgReceiverStats stats;
    eg_receiver_get_stats(f.receiver, &stats);
    g_assert_cmpuint(stats.plis, ==, 5);
    tear_down(&f);
}

static void test_close_inside_event(void)
{
    Fixture f;
    set_up(&f, true);
    run_step(&f, &(Step){0, 'p', 1});
    run_step(&f, &(Step){1, 'p', 3});
    f.close_at_packet = true;
    run_step(&f, &(Step){2, 'p', 2});
    run_step(&f, &(Step){3, 'p', 4});
    eg_receiver_push_sender_report(f.receiver, G_GUINT64_CONSTANT(1) << 63, 0, f.now_ns);
    g_assert_cmpuint(f.n_reports, ==, 0);
    g_assert_cmpstr(f.record->str, ==, "d1 d2 ");
    g_assert_cmpint(eg_receiver_due_ns(f.receiver), ==, G_MAXINT64);
    tear_down(&f);
}

/* A kept packet outlives its receiver. */
static void test_keep_packet(void)
{
    Fixture f;
    set_up(&f, true);
    run_step(&f, &(Step){0, 'p', 1});
    eg_receiver_free(f.receiver);
    f.receiver = NULL;
    assert_payload(f.kept, "media");
    g_assert_cmpint(f.kept->arrival_ns, ==, START_MS * EG_NS_PER_MS);
    tear_down(&f);
}

static void test_retransmission_content(void)
{
    Fixture f;
    set_up(&f, true);
    run_step(&f, &(Step){0, 'p', 1});
    run_step(&f, &(Step){0, 'p', 3});
    push(&f,
         &(RtpMaker){.sequence = 2,
                     .timestamp = 4711,
                     .marker = true,
                     .payload = "lost one",
                     .payload_bytes = 8,
                     .padding_bytes = 3},
         true);
    g_assert_cmpstr(f.record->str, ==, "d1 d2! d3 ");
    tear_down(&f);

    set_up(&f, true);
    run_step(&f, &(Step){0, 'p', 1});
    push(&f,
         &(RtpMaker){.sequence = 2,
                     .timestamp = 4711,
                     .marker = true,
                     .payload = "lost one",
                     .payload_bytes = 8,
                     .padding_bytes = 3},
         true);
    assert_payload(f.kept, "lost one");
    g_assert_cmpuint(f.kept->timestamp, ==, 4711);
    g_assert_true(f.kept->marker);
    /* The bytes say the same as the fields. */
    EgRtpHeader header;
    g_assert_true(eg_rtp_parse(f.kept->data, f.kept->size_bytes, &header));
    g_assert_cmpuint(header.ssrc, ==, SSRC);
    g_assert_cmpuint(header.payload_type, ==, PT);
    g_assert_cmpuint(header.sequence, ==, 2);
    g_assert_cmpuint(header.payload_bytes, ==, 8);
    g_assert_true(header.marker);
    tear_down(&f);
}

static void test_sender_report(void)
{
    Fixture f;
    set_up(&f, true);
    /* 2026-01-02 03:04:05.25 */
    guint64 ntp = (G_GUINT64_CONSTANT(1767323045) + 2208988800U) << 32 | 0x40000000;
    eg_receiver_push_sender_report(f.receiver, ntp, 1234, f.now_ns);
    g_assert_cmpuint(f.n_reports, ==, 1);
    g_assert_cmpint(f.report.ntp_ns, ==, G_GINT64_CONSTANT(1767323045250000000));
    g_assert_cmpuint(f.report.rtp_timestamp, ==, 1234);
    g_assert_cmpint(f.report.arrival_ns, ==, f.now_ns);
    eg_receiver_push_sender_report(f.receiver, 0, 1234, f.now_ns);
    g_assert_cmpuint(f.n_reports, ==, 1);
    tear_down(&f);
}

/* RFC 3550, 6.4.1 and A.3, by hand: 100 and 101 come, 102 is lost on the way (a retransmission does
 * not change that), 103 and 104 come. */
static void test_report_loss(void)
{
    Fixture f;
    set_up(&f, true);
    EgReportBlock block;
    g_assert_false(eg_receiver_report(f.receiver, f.now_ns, &block));

    const Step steps[] = {
        {0,  'p', 100},
        {1,  'p', 101},
        {2,  'p', 103},
        {20, 'x', 102},
        {30, 'p', 104}
    };
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
        run_step(&f, &steps[i]);
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpuint(block.ssrc, ==, SSRC);
    g_assert_cmpuint(block.highest_sequence, ==, 104);
    g_assert_cmpint(block.cumulative_lost, ==, 1);
    g_assert_cmpuint(block.fraction_lost, ==, 256 / 5);

    /* What was asked for and comes on the original SSRC is a retransmission too. */
    const Step more[] = {
        {40, 'p', 106},
        {60, 'p', 105},
        {61, 'p', 105}
    };
    for (gsize i = 0; i < G_N_ELEMENTS(more); i++)
        run_step(&f, &more[i]);
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpuint(block.highest_sequence, ==, 106);
    g_assert_cmpint(block.cumulative_lost, ==, 2);
    g_assert_cmpuint(block.fraction_lost, ==, 128);

    /* Mere reordering is no loss; nothing new, nothing lost. */
    const Step late[] = {
        {70, 'p', 108},
        {72, 'p', 107}
    };
    for (gsize i = 0; i < G_N_ELEMENTS(late); i++)
        run_step(&f, &late[i]);
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpint(block.cumulative_lost, ==, 2);
    g_assert_cmpuint(block.fraction_lost, ==, 0);
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpuint(block.fraction_lost, ==, 0);
    tear_down(&f);
}

static void test_report_wrap(void)
{
    Fixture f;
    set_up(&f, true);
    for (guint i = 0; i < 70000; i++)
        run_step(&f, &(Step){0, 'p', (guint16)(65000 + i)});
    EgReportBlock block;
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpuint(block.highest_sequence, ==, 65000 + 69999);
    g_assert_cmpint(block.cumulative_lost, ==, 0);
    g_assert_cmpuint(f.last_sequence, ==, 65536 + 65000 + 69999);
    tear_down(&f);
}

static void test_report_restart(void)
{
    Fixture f;
    set_up(&f, true);
    const Step steps[] = {
        {0, 'p', 100  },
        {1, 'p', 101  },
        {2, 'p', 30000},
        {3, 'p', 30001},
        {4, 'p', 30002}
    };
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
        run_step(&f, &steps[i]);
    EgReportBlock block;
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpuint(block.highest_sequence, ==, 30002);
    g_assert_cmpint(block.cumulative_lost, ==, 0);
    tear_down(&f);
}

/* RFC 3550, A.8, by hand: transit differences of 0, 900, 900 and 0 units of the timestamp. */
static void test_report_jitter(void)
{
    Fixture f;
    set_up(&f, true);
    const struct {
        gint at_ms;
        guint32 timestamp;
        guint jitter;
    } arrivals[] = {
        {0,  0xfffffff0, 0  }, /* timestamps wrap around */
        {10, 900 - 16,   0  },
        {30, 1800 - 16,  56 }, /* 900 / 16 */
        {40, 3600 - 16,  109}, /* (900 + (900 - (900 + 8 >> 4))) / 16 */
        {50, 4500 - 16,  102}, /* (1744 - (1744 + 8 >> 4)) / 16 */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(arrivals); i++) {
        advance_to(&f, arrivals[i].at_ms);
        push(&f,
             &(RtpMaker){.payload_type = PT,
                         .sequence = (guint16)i,
                         .ssrc = SSRC,
                         .timestamp = arrivals[i].timestamp,
                         .payload = "x",
                         .payload_bytes = 1},
             false);
        EgReportBlock block;
        g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
        g_assert_cmpuint(block.jitter, ==, arrivals[i].jitter);
    }
    tear_down(&f);
}

static void test_report_last_sr(void)
{
    Fixture f;
    set_up(&f, true);
    run_step(&f, &(Step){0, 'p', 1});
    EgReportBlock block;
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpuint(block.last_sr, ==, 0);
    g_assert_cmpuint(block.delay_since_last_sr, ==, 0);
    eg_receiver_push_sender_report(f.receiver, G_GUINT64_CONSTANT(0x1122334455667788), 0, f.now_ns);
    advance_to(&f, 1250);
    g_assert_true(eg_receiver_report(f.receiver, f.now_ns, &block));
    g_assert_cmpuint(block.last_sr, ==, 0x33445566);
    g_assert_cmpuint(block.delay_since_last_sr, ==, 65536 + 65536 / 4);
    tear_down(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/room/receiver/order/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/room/receiver/window", test_window);
    g_test_add_func("/room/receiver/many-nacks", test_many_nacks);
    g_test_add_func("/room/receiver/nacks-end", test_nacks_end);
    g_test_add_func("/room/receiver/pli", test_pli);
    g_test_add_func("/room/receiver/close-inside-event", test_close_inside_event);
    g_test_add_func("/room/receiver/keep-packet", test_keep_packet);
    g_test_add_func("/room/receiver/retransmission-content", test_retransmission_content);
    g_test_add_func("/room/receiver/sender-report", test_sender_report);
    g_test_add_func("/room/receiver/report-loss", test_report_loss);
    g_test_add_func("/room/receiver/report-wrap", test_report_wrap);
    g_test_add_func("/room/receiver/report-restart", test_report_restart);
    g_test_add_func("/room/receiver/report-jitter", test_report_jitter);
    g_test_add_func("/room/receiver/report-last-sr", test_report_last_sr);
    return g_test_run();
}
