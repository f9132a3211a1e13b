#include "unit/source/fake-resolver.h"

#define FAKE_TYPE_RESOLVER (fake_resolver_get_type())
G_DECLARE_FINAL_TYPE(FakeResolver, fake_resolver, FAKE, RESOLVER, GResolver)

struct _FakeResolver {
    GResolver parent;
    GQueue answers; /* char * */
    guint n_lookups;
};

G_DEFINE_FINAL_TYPE(FakeResolver, fake_resolver, G_TYPE_RESOLVER)

static void free_addresses(gpointer addresses)
{
    g_resolver_free_addresses(addresses);
}

static void cancel(GCancellable *cancellable, gpointer task)
{
    (void)cancellable;
    g_task_return_error_if_cancelled(task);
    g_object_unref(task);
}

static void lookup_async(GResolver *resolver, const char *name, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user)
{
    (void)name;
    FakeResolver *fake = FAKE_RESOLVER(resolver);
    GTask *task = g_task_new(resolver, cancellable, callback, user);
    g_autofree char *answer = g_queue_pop_head(&fake->answers);
    fake->n_lookups++;
    if (answer == NULL) {
        g_cancellable_connect(cancellable, G_CALLBACK(cancel), task, NULL);
        return;
    }
    g_auto(GStrv) texts = g_strsplit(answer, " ", -1);
    GList *addresses = NULL;
    for (char **at = texts; *at != NULL; at++)
        addresses = g_list_append(addresses, g_inet_address_new_from_string(*at));
    g_task_return_pointer(task, addresses, free_addresses);
    g_object_unref(task);
}

static GList *lookup_finish(GResolver *resolver, GAsyncResult *result, GError **error)
{
    (void)resolver;
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void fake_resolver_finalize(GObject *object)
{
    g_queue_clear_full(&FAKE_RESOLVER(object)->answers, g_free);
    G_OBJECT_CLASS(fake_resolver_parent_class)->finalize(object);
}

static void fake_resolver_class_init(FakeResolverClass *class)
{
    G_OBJECT_CLASS(class)->finalize = fake_resolver_finalize;
    G_RESOLVER_CLASS(class)->lookup_by_name_async = lookup_async;
    G_RESOLVER_CLASS(class)->lookup_by_name_finish = lookup_finish;
}

static void fake_resolver_init(FakeResolver *fake)
{
    g_queue_init(&fake->answers);
}

GResolver *fake_resolver_new(void)
{
    return g_object_new(FAKE_TYPE_RESOLVER, NULL);
}

void fake_resolver_add(GResolver *resolver, const char *addresses)
{
    g_queue_push_tail(&FAKE_RESOLVER(resolver)->answers, g_strdup(addresses));
}

guint fake_resolver_n_lookups(GResolver *resolver)
{
    return FAKE_RESOLVER(resolver)->n_lookups;
}
