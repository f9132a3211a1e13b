/* What survives the service: the last reports, and what is still to be done with those that are
 * final.
 */
#include "service/state.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/locked-folder.h"

typedef struct {
    char *root;
    EgState *state;
    GString *taken; /* ids, each with a blank behind */
} Fixture;

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    f->root = g_dir_make_tmp("egress-state-XXXXXX", NULL);
    f->state = eg_state_new(f->root, NULL);
    f->taken = g_string_new(NULL);
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_state_free(f->state);
    eg_folder_remove(f->root);
    g_string_free(f->taken, TRUE);
    g_free(f->root);
}

static void put(EgState *state, const char *egress_id)
{
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = (char *)(guintptr)egress_id;
    g_assert_true(eg_state_put(state, &info, NULL));
}

static void take(gpointer user, const Livekit__EgressInfo *info)
{
    Fixture *f = user;
    g_string_append_printf(f->taken, "%s ", info->egress_id);
}

/* In either order; nothing is left then. */
static void test_settle(Fixture *f, gconstpointer user)
{
    (void)user;
    static const EgStateOwed orders[][2] = {
        {EG_STATE_REPORT, EG_STATE_HOOKS },
        {EG_STATE_HOOKS,  EG_STATE_REPORT},
    };
    eg_state_settle(f->state, "EG_1", EG_STATE_REPORT);
    g_assert_cmpuint(eg_state_owed(f->state, "EG_1"), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(orders); i++) {
        put(f->state, "EG_1");
        g_assert_cmpuint(eg_state_owed(f->state, "EG_1"), ==, EG_STATE_REPORT | EG_STATE_HOOKS);
        eg_state_settle(f->state, "EG_1", orders[i][0]);
        g_assert_cmpuint(eg_state_owed(f->state, "EG_1"), ==, orders[i][1]);
        eg_state_settle(f->state, "EG_1", orders[i][0]);
        g_assert_cmpuint(eg_state_owed(f->state, "EG_1"), ==, orders[i][1]);
        g_assert_true(eg_state_has(eg_state_folder(f->state), "EG_1"));
        eg_state_settle(f->state, "EG_1", orders[i][1]);
        g_assert_false(eg_state_has(eg_state_folder(f->state), "EG_1"));
    }
}

/* What a service has left, the next one finds, with what is still to be done. */
static void test_adopt(Fixture *f, gconstpointer user)
{
    (void)user;
    EgState *dead = eg_state_new(f->root, NULL);
    g_autofree char *broken = g_build_filename(eg_state_folder(dead), "EG_2.egress", NULL);
    put(dead, "EG_1");
    put(dead, "EG_2");
    put(dead, "EG_3");
    eg_state_settle(dead, "EG_1", EG_STATE_REPORT);
    eg_state_settle(dead, "EG_3", EG_STATE_HOOKS);
    g_assert_true(g_file_set_contents(broken, "\xff\xff", 2, NULL));
    eg_state_adopt(f->state, take, f);
    g_assert_cmpuint(f->taken->len, ==, 0);
    eg_state_free(dead);
    eg_state_adopt(f->state, take, f);
    g_assert_true(strcmp(f->taken->str, "EG_1 EG_3 ") == 0 ||
                  strcmp(f->taken->str, "EG_3 EG_1 ") == 0);
    g_assert_cmpuint(eg_state_owed(f->state, "EG_1"), ==, EG_STATE_HOOKS);
    g_assert_cmpuint(eg_state_owed(f->state, "EG_3"), ==, EG_STATE_REPORT);
    g_autofree char *aside = g_strconcat(broken, ".broken", NULL);
    g_assert_true(g_file_test(aside, G_FILE_TEST_EXISTS));
    eg_state_remove(f->state, "EG_1");
    g_assert_false(eg_state_has(eg_state_folder(f->state), "EG_1"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/service/state/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("settle", test_settle);
    ADD("adopt", test_adopt);
#undef ADD
    return g_test_run();
}
