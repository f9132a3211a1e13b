#include "base/time.h"
#include "unit/bus/redis-fixture.h"

#include <string.h>

#define N_NODES 3
#define N_SLOTS 16384

typedef struct {
    Fixture base;
    RedisServer *nodes[N_NODES];
    char *addresses[N_NODES + 1];
    char *ids[N_NODES];
} ClusterFixture;

typedef void (*Test)(ClusterFixture *fixture, gconstpointer data);

static void expect_ok(char *answer)
{
    g_assert_cmpstr(answer, ==, "OK");
    g_free(answer);
}

static void set_up(ClusterFixture *fixture, gconstpointer data)
{
    fixture_set_up(&fixture->base, data);
    for (int i = 0; i < N_NODES; i++) {
        fixture->nodes[i] =
            redis_server_new((const char *const[]){"--cluster-enabled", "yes", NULL});
        fixture->addresses[i] = (char *)redis_server_address(fixture->nodes[i]);
        fixture->ids[i] = redis_server_command(fixture->nodes[i], "CLUSTER MYID");
        expect_ok(redis_server_command(fixture->nodes[i], "CLUSTER ADDSLOTSRANGE %d %d",
                                       i * N_SLOTS / N_NODES, (i + 1) * N_SLOTS / N_NODES - 1));
    }
    for (int i = 1; i < N_NODES; i++)
        redis_server_meet(fixture->nodes[0], fixture->nodes[i]);
    for (int i = 0; i < N_NODES; i++)
        redis_server_wait_log(fixture->nodes[i], "Cluster state changed: ok");
    fixture->base.config.cluster_addresses = fixture->addresses;
}

static void tear_down(ClusterFixture *fixture, gconstpointer data)
{
    fixture_tear_down(&fixture->base, data);
    for (guint i = 0; i < N_NODES; i++) {
        redis_server_free(fixture->nodes[i]);
        g_free(fixture->ids[i]);
    }
}

static void add(const char *path, Test test)
{
    g_test_add(path, ClusterFixture, NULL, set_up, test, tear_down);
}

static void open_cluster(ClusterFixture *fixture)
{
    fixture_open(&fixture->base);
    fixture_wait(&fixture->base, &fixture->base.n_connected, 1);
}

static int slot_of(ClusterFixture *fixture, const char *key)
{
    g_autofree char *slot = redis_server_command(fixture->nodes[0], "CLUSTER KEYSLOT %s", key);
    return (int)g_ascii_strtoll(slot, NULL, 10);
}

/* A key of the node's. */
static char *key_of(ClusterFixture *fixture, int node)
{
    for (guint i = 0;; i++) {
        g_autofree char *key = g_strdup_printf("key%u", i);
        if (slot_of(fixture, key) * N_NODES / N_SLOTS == node)
            return g_steal_pointer(&key);
    }
}

/* Whatever node one is connected to. */
static void test_messages(ClusterFixture *fixture, gconstpointer data)
{
    (void)data;
    open_cluster(fixture);
    Listener listener = {0};
    listener_start(&listener, &fixture->base, "c");
    for (guint i = 0; i < N_NODES; i++)
        listener_expect(&listener, fixture->nodes[i], "c", "text");

    /* The node is lost; another does as well. */
    redis_server_kill(fixture->nodes[0]);
    fixture_wait(&fixture->base, &listener.n_subscribed, 2);
    listener_expect(&listener, fixture->nodes[2], "c", "again");
    listener_stop(&listener);
}

static void test_locks(ClusterFixture *fixture, gconstpointer data)
{
    (void)data;
    open_cluster(fixture);
    for (int i = 0; i < N_NODES; i++) {
        g_autofree char *key = key_of(fixture, i);
        g_assert_true(fixture_lock(&fixture->base, key));
        g_assert_false(fixture_lock(&fixture->base, key));
        g_autofree char *value = redis_server_command(fixture->nodes[i], "GET %s", key);
        g_assert_cmpstr(value, ==, "1");
    }
    g_assert_cmpuint(fixture->base.n_disconnected, ==, 0);

    /* Freed while it is on the way to another node. */
    g_autofree char *key = key_of(fixture, 1);
    fixture_ask_lock(&fixture->base, key);
    eg_loop_iterate(fixture->base.loop, true);
}

static void test_no_redirects(ClusterFixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->base.config.max_redirects = 0;
    open_cluster(fixture);
    g_autofree char *near = key_of(fixture, 0);
    g_autofree char *far = key_of(fixture, 1);
    g_assert_true(fixture_lock(&fixture->base, near));
    g_assert_false(fixture_lock(&fixture->base, far));
}

/* A key on its way from one node to another. */
static void test_moving_key(ClusterFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *key = key_of(fixture, 1);
    const int slot = slot_of(fixture, key);
    expect_ok(redis_server_command(fixture->nodes[2], "CLUSTER SETSLOT %d IMPORTING %s", slot,
                                   fixture->ids[1]));
    expect_ok(redis_server_command(fixture->nodes[1], "CLUSTER SETSLOT %d MIGRATING %s", slot,
                                   fixture->ids[2]));
    open_cluster(fixture);
    g_assert_true(fixture_lock(&fixture->base, key));
    g_assert_false(fixture_lock(&fixture->base, key));
    g_autofree char *count =
        redis_server_command(fixture->nodes[2], "CLUSTER COUNTKEYSINSLOT %d", slot);
    g_assert_cmpstr(count, ==, "1");
}

static void test_dead_node(ClusterFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *key = key_of(fixture, 1);
    open_cluster(fixture);
    redis_server_kill(fixture->nodes[1]);
    g_assert_false(fixture_lock(&fixture->base, key));
    g_assert_cmpuint(fixture->base.n_disconnected, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/redis-cluster/messages", test_messages);
    add("/redis-cluster/locks", test_locks);
    add("/redis-cluster/no-redirects", test_no_redirects);
    add("/redis-cluster/moving-key", test_moving_key);
    add("/redis-cluster/dead-node", test_dead_node);
    return g_test_run();
}
