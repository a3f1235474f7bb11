/* What it costs to hand over to another thread and back: by a futex, by pipes; on one CPU and on two. */
#define _GNU_SOURCE /* pthread_setaffinity_np */
#include "threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Two players, 0 and 1. Each hands over to the other, and waits until it is its turn again. */
struct game {
    uint64_t rounds;
    int cpu[2];
    void (*hand_over)(struct game *game, int to);
    void (*wait_turn)(struct game *game, int me);

    atomic_uint turn; /* release by who hands over, acquire by who waits */
    int pipes[2][2];  /* pipes[p]: where p waits */
};

static void futex_hand_over(struct game *game, int to)
{
    atomic_store_explicit(&game->turn, (unsigned)to, memory_order_release);
    syscall(SYS_futex, &game->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void futex_wait_turn(struct game *game, int me)
{
    while (atomic_load_explicit(&game->turn, memory_order_acquire) != (unsigned)me)
        syscall(SYS_futex, &game->turn, FUTEX_WAIT_PRIVATE, !me, NULL, NULL, 0);
}

static void pipe_hand_over(struct game *game, int to)
{
    must(write(game->pipes[to][1], "x", 1) == 1 ? 0 : -errno, "write");
}

static void pipe_wait_turn(struct game *game, int me)
{
    char byte;
    must(read(game->pipes[me][0], &byte, 1) == 1 ? 0 : -errno, "read");
}

static void bind_to(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    must(pthread_setaffinity_np(pthread_self(), sizeof set, &set), "pthread_setaffinity_np");
}

static void *second_player(void *argument)
{
    struct game *game = argument;

    bind_to(game->cpu[1]);
    for (uint64_t i = 0; i < game->rounds; i++) {
        game->wait_turn(game, 1);
        game->hand_over(game, 0);
    }
    return NULL;
}

/* ns in all; the first round trip, by which the other thread has started, does not count. */
static uint64_t play(struct game *game)
{
    pthread_t other;
    uint64_t began = 0;

    must(pthread_create(&other, NULL, second_player, game), "pthread_create");
    bind_to(game->cpu[0]);
    for (uint64_t i = 0; i < game->rounds; i++) {
        if (i == 1)
            began = clock_ns();
        game->hand_over(game, 1);
        game->wait_turn(game, 0);
    }
    uint64_t ended = clock_ns();
    pthread_join(other, NULL);
    return ended - began;
}

/* Returns ns for each round. */
static double measure_rounds(struct game *game, uint64_t rounds)
{
    game->rounds = rounds + 1;
    for (int i = 0; i < 2; i++)
        must(pipe(game->pipes[i]) == 0 ? 0 : -errno, "pipe");
    return (double)play(game) / (double)rounds;
}

static void measure(struct work *work, struct game *game)
{
    work->value = measure_rounds(game, work->n / 2) / 2;
    work->unit = "ns/switch";
    work->checksum = work->n;
}

/* The kernel's own round trip, to hold a runtime's against: nothing but the two threads. */
void wake_remote(struct work *work)
{
    struct game game = {.cpu = {0, 1}, .hand_over = futex_hand_over, .wait_turn = futex_wait_turn};

    work->value = measure_rounds(&game, work->n);
    work->unit = "ns/round";
    work->checksum = work->n;
}

void context_switch_futex_1cpu(struct work *work)
{
    measure(work, &(struct game){.cpu = {0, 0}, .hand_over = futex_hand_over, .wait_turn = futex_wait_turn});
}

void context_switch_futex_2cpu(struct work *work)
{
    measure(work, &(struct game){.cpu = {0, 1}, .hand_over = futex_hand_over, .wait_turn = futex_wait_turn});
}

void context_switch_pipe_1cpu(struct work *work)
{
    measure(work, &(struct game){.cpu = {0, 0}, .hand_over = pipe_hand_over, .wait_turn = pipe_wait_turn});
}

void context_switch_pipe_2cpu(struct work *work)
{
    measure(work, &(struct game){.cpu = {0, 1}, .hand_over = pipe_hand_over, .wait_turn = pipe_wait_turn});
}
