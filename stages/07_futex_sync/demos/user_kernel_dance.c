/* The same channel between two threads, and how often it needs the kernel.
 *
 *   alone         one thread sends and receives by turns: nobody ever waits
 *   stream        a channel with room for 1,024; both threads run side by side, and seldom meet an end of it
 *   rendezvous    a channel with room for one: each item is waited for, and almost each waits
 *
 * The fast path is a few atomic operations in user space. A thread goes to the kernel only to sleep, and another one
 * only to wake it. */
#define _GNU_SOURCE
#include "channel.h"
#include "futex.h"
#include "threads.h"

#include <stdlib.h>

struct scene {
    const char *name;
    size_t room;
    int items;
    bool two_threads;
};

static const struct scene scenes[] = {
    {"alone", 1, 10000, false},
    {"stream", 1024, 50000, true},
    {"rendezvous", 1, 2000, true},
};

enum { SCENES = sizeof scenes / sizeof *scenes };

static struct channel channel;

static void *send_items(void *arg)
{
    const struct scene *scene = arg;

    trace_thread_name("sender");
    for (int i = 0; i < scene->items; i++)
        must(channel_send(&channel, &i), "channel_send");
    channel_close(&channel);
    return NULL;
}

static int receive_items(void)
{
    int item, count = 0;

    while (channel_recv(&channel, &item) == 0)
        count++;
    return count;
}

static int by_turns(int items)
{
    int item, count = 0;

    for (int i = 0; i < items; i++) {
        must(channel_send(&channel, &i), "channel_send");
        count += channel_recv(&channel, &item) == 0;
    }
    return count;
}

static int between_threads(const struct scene *scene)
{
    pthread_t sender = thread_start(send_items, (void *)scene);
    int count = receive_items();
    thread_join(sender);
    return count;
}

static void play(const struct scene *scene)
{
    must(channel_init(&channel, scene->room, sizeof(int)), "channel_init");
    struct futex_calls before = futex_calls();
    uint64_t start = trace_now();
    int count = scene->two_threads ? between_threads(scene) : by_turns(scene->items);
    uint64_t ns = trace_now() - start;
    struct futex_calls after = futex_calls();
    channel_destroy(&channel);

    uint64_t waits = after.waits - before.waits, wakes = after.wakes - before.wakes;
    printf("%-12s %6zu %9d %9llu %9llu %12.3f %11llu\n", scene->name, scene->room, count, (unsigned long long)waits,
           (unsigned long long)wakes, (double)(waits + wakes) / count, (unsigned long long)(ns / (uint64_t)count));
}

static int usage(int argc, char **argv)
{
    if (argc > 2 || strcmp(argv[1], "--help") != 0) {
        fprintf(stderr, "%s: does not know '%s'; try --help\n", argv[0], argv[argc - 1]);
        return 2;
    }
    fputs(
        "usage: user_kernel_dance [alone|stream|rendezvous]\n"
        "Sends items through a channel, and counts how often that needs the kernel. All three scenes, or one of them.\n"
        "  strace -f -c -e trace=futex user_kernel_dance alone    counts as well (a futex call or two for the end of "
        "a\n"
        "                                                         thread are the C library's)\n"
        "  TRACE=run.trace user_kernel_dance rendezvous           records it; lifeline stats run.trace\n",
        stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const struct scene *only = NULL;

    for (int i = 0; i < SCENES && argc == 2; i++)
        if (strcmp(argv[1], scenes[i].name) == 0)
            only = &scenes[i];
    if (argc > 1 && !only)
        return usage(argc, argv);
    printf("%-12s %6s %9s %9s %9s %12s %11s\n", "scene", "room", "items", "waits", "wakes", "calls/item", "ns/item");
    for (int i = 0; i < SCENES; i++)
        if (!only || only == &scenes[i])
            play(&scenes[i]);
    return 0;
}
