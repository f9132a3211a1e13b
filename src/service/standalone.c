#include "service/standalone.h"

struct _EgStandalone {
    EgLoop *loop;
    EgArchive *archive;
    EgWebhooks *webhooks;
    const EgLog *log;
};

typedef struct {
    void (*done)(gpointer user, const GError *error);
    gpointer user;
} Answer;

static void deliver_answer(gpointer data)
{
    const Answer *answer = data;
    answer->done(answer->user, NULL);
}

/* A disk that fails costs only what a restart would want to know. */
static void publish(gpointer publisher, const Livekit__EgressInfo *info, bool is_new,
                    void (*done)(gpointer user, const GError *error), gpointer user)
{
    EgStandalone *standalone = publisher;
    g_autoptr(GError) error = NULL;
    if (!eg_archive_put(standalone->archive, info, &error))
        eg_warn(standalone->log, "egress is not remembered on disk",
                EG_STR("egressID", info->egress_id), EG_STR("error", error->message));
    eg_webhooks_send(standalone->webhooks, info, is_new);
    Answer *answer = g_new(Answer, 1);
    *answer = (Answer){.done = done, .user = user};
    eg_loop_post(standalone->loop, deliver_answer, answer, g_free);
}

EgStandalone *eg_standalone_new(EgLoop *loop, EgArchive *archive, EgWebhooks *webhooks,
                                const EgLog *log)
{
    EgStandalone *standalone = g_new(EgStandalone, 1);
    *standalone =
        (EgStandalone){.loop = loop, .archive = archive, .webhooks = webhooks, .log = log};
    return standalone;
}

void eg_standalone_free(EgStandalone *standalone)
{
    g_free(standalone);
}

EgPublisher eg_standalone_publisher(EgStandalone *standalone)
{
    static const EgPublisherClass class = {.publish = publish};
    return (EgPublisher){.class = &class, .publisher = standalone};
}
