/* LINK: @tests/support.link */
/* Each worker has a reactor of its own: sockets and timers on several of them at once. */
#include "support.h"

#include "net.h"
#include "timer.h"

#include <sys/socket.h>

static struct runtime rt;

/* --- two tasks on two workers throw a byte to each other --- */

enum { ROUNDS = 300 };

struct player {
    struct future base;
    int fd; /* input: its end */
    bool begins;
    struct socket socket;
    struct socket_read read;
    struct socket_write write;
    char byte;
    int rounds;
    unsigned worker;
    enum { PLAYER_START, PLAYER_READING, PLAYER_WRITING, PLAYER_DONE } state;
};

static void player_read(struct player *self)
{
    self->read = socket_read(&self->socket, &self->byte, 1);
    self->state = PLAYER_READING;
}

static void player_write(struct player *self)
{
    self->write = socket_write(&self->socket, "x", 1);
    self->state = PLAYER_WRITING;
}

static enum poll player_poll(struct future *f, struct context *cx)
{
    struct player *self = (struct player *)f;

    sure(self->worker == 0 || self->worker == runtime_worker());
    self->worker = runtime_worker();
    while (self->rounds < ROUNDS) {
        switch (self->state) {
        case PLAYER_START:
            self->socket = socket_from_fd(self->fd);
            self->begins ? player_write(self) : player_read(self);
            break;
        case PLAYER_READING:
            if (future_poll(&self->read.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            sure(self->read.output == 1);
            future_drop(&self->read.base);
            self->rounds += self->begins;
            player_write(self);
            break;
        case PLAYER_WRITING:
            if (future_poll(&self->write.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            sure(self->write.output == 1);
            future_drop(&self->write.base);
            self->rounds += !self->begins;
            player_read(self);
            break;
        case PLAYER_DONE:
            __builtin_unreachable();
        }
    }
    sure(socket_close(&self->socket) == 0);
    return POLL_READY;
}

FUTURE_TYPE(player, player_poll, NULL);

/* What a task spawns stays on its worker: so a puppet spawns it where it shall be. */
struct spawning {
    struct join_handle handle;
    int fd;
    bool begins;
};

static void spawn_player(void *spawning)
{
    struct spawning *self = spawning;
    struct player player = {.fd = self->fd, .begins = self->begins, .state = PLAYER_START};

    future_init(&player.base, &player_type);
    sure(task_spawn(&rt, &player, &self->handle) == 0);
}

static void on_each_worker(action *act, void *const args[2])
{
    static struct strings puppets[2];

    for (int i = 0; i < 2; i++)
        puppet_spawn(&rt, &puppets[i], NULL);
    for (int i = 0; i < 2; i++)
        puppet_do(&puppets[i], act, args[i]);
    for (int i = 0; i < 2; i++)
        puppet_end(&puppets[i]);
    for (int i = 0; i < 2; i++)
        wait_until(puppets[i].drops == 1);
}

static void test_two_workers_talk(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct spawning one = {.fd = fds[0], .begins = true}, two = {.fd = fds[1]};
    on_each_worker(spawn_player, (void *const[]){&one, &two});
    assert_int_equal(runtime_block_on(&rt, &one.handle), 0);
    assert_int_equal(runtime_block_on(&rt, &two.handle), 0);
    const struct player *first = join_handle_output(&one.handle), *second = join_handle_output(&two.handle);
    assert_int_not_equal(first->worker, second->worker);
    future_drop(&one.handle.base);
    future_drop(&two.handle.base);
    runtime_destroy(&rt);
}

/* --- timers: each worker waits for its own --- */

enum { SLEEPERS = 100 };

struct sleeper {
    struct future base;
    uint64_t duration, began;
    struct sleep sleep;
    atomic_uint *done;
};

static enum poll sleeper_poll(struct future *f, struct context *cx)
{
    struct sleeper *self = (struct sleeper *)f;

    if (f->phase == FUTURE_FRESH) {
        self->began = trace_now();
        self->sleep = sleep_for(self->duration);
    }
    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    sure(trace_now() - self->began >= self->duration);
    future_drop(&self->sleep.base);
    atomic_fetch_add(self->done, 1);
    return POLL_READY;
}

FUTURE_TYPE(sleeper, sleeper_poll, NULL);

static void spawn_sleepers(void *done)
{
    for (uint64_t i = 0; i < SLEEPERS; i++) {
        struct sleeper sleeper = {.duration = 100000 * (i * 37 % SLEEPERS), .done = done};
        future_init(&sleeper.base, &sleeper_type);
        sure(task_spawn(&rt, &sleeper, NULL) == 0);
    }
}

static void test_two_workers_sleep(void **state)
{
    atomic_uint done = 0;

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    on_each_worker(spawn_sleepers, (void *const[]){&done, &done});
    wait_until(done == 2 * SLEEPERS && workers_asleep(&rt) == 2);
    runtime_destroy(&rt);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {TEST(test_two_workers_talk), TEST(test_two_workers_sleep)};
    return cmocka_run_group_tests_name("reactors", tests, NULL, NULL);
}
