#include "service/callers.h"

#include "proto/message.h"

typedef struct {
    EgEgressDone done;
    gpointer user;
} Caller;

struct _EgCallers {
    EgLoop *loop;
    GArray *waiting; /* Caller */
};

typedef struct {
    Caller caller;
    Livekit__EgressInfo *info;
    GError *error;
} Answer;

EgCallers *eg_callers_new(EgLoop *loop)
{
    EgCallers *callers = g_new(EgCallers, 1);
    *callers = (EgCallers){
        .loop = loop,
        .waiting = g_array_new(FALSE, FALSE, sizeof(Caller)),
    };
    return callers;
}

void eg_callers_free(EgCallers *callers)
{
    if (callers == NULL)
        return;
    g_array_unref(callers->waiting);
    g_free(callers);
}

void eg_callers_add(EgCallers *callers, EgEgressDone done, gpointer user)
{
    Caller caller = {.done = done, .user = user};
    g_array_append_val(callers->waiting, caller);
}

static void free_answer(gpointer data)
{
    Answer *answer = data;
    if (answer->info != NULL)
        livekit__egress_info__free_unpacked(answer->info, NULL);
    g_clear_error(&answer->error);
    g_free(answer);
}

static void deliver(gpointer data)
{
    const Answer *answer = data;
    answer->caller.done(answer->caller.user, answer->info, answer->error);
}

void eg_callers_answer_one(EgLoop *loop, EgEgressDone done, gpointer user,
                           const Livekit__EgressInfo *info, const GError *error)
{
    Answer *answer = g_new0(Answer, 1);
    answer->caller = (Caller){.done = done, .user = user};
    if (error != NULL)
        answer->error = g_error_copy(error);
    else if (info != NULL)
        answer->info = (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
    eg_loop_post(loop, deliver, answer, free_answer);
}

void eg_callers_answer(EgCallers *callers, const Livekit__EgressInfo *info, const GError *error)
{
    for (guint i = 0; i < callers->waiting->len; i++) {
        const Caller *caller = &g_array_index(callers->waiting, Caller, i);
        eg_callers_answer_one(callers->loop, caller->done, caller->user, info, error);
    }
    g_array_set_size(callers->waiting, 0);
}

void eg_callers_answer_first(EgCallers *callers, const Livekit__EgressInfo *info,
                             const GError *error)
{
    if (callers->waiting->len == 0)
        return;
    const Caller caller = g_array_index(callers->waiting, Caller, 0);
    g_array_remove_index(callers->waiting, 0);
    eg_callers_answer_one(callers->loop, caller.done, caller.user, info, error);
}
