/* Two values through a channel that keeps one, to a receiver that was there before, and to one that comes when it likes
 * and perhaps changes its mind. Who stays gets what was sent since it came, or is told how much of that is lost, and then
 * the end.
 */
#include "models/sleeper.h"

#include "broadcast.h"

#include <errno.h>
#include <stdlib.h>

enum { VALUES = 2, LISTENERS = 2 };

struct listener {
    struct sleeper sleeper;
    struct broadcast_receiver receiver;
    unsigned last; /* the number of the value that it got or lost last */
    bool hasty;
};

static struct listener listeners[LISTENERS];
static struct broadcast channel;

static void come(struct listener *l)
{
    l->receiver = broadcast_subscribe(&channel);
    l->last = (unsigned)l->receiver.next;
}

/* Freed at once: a wait that is still in the channel's list is noticed. */
static void finish(struct broadcast_recv *recv)
{
    future_drop(&recv->base);
    free(recv);
}

/* False: that was the end. */
static bool receive(struct listener *l)
{
    struct broadcast_recv *recv = malloc(sizeof *recv);
    unsigned value = 0;

    *recv = broadcast_recv(&l->receiver, &value);
    (l->hasty ? sleeper_run_hastily : sleeper_run)(&l->sleeper, &recv->base);
    int error = recv->output;
    l->last += error ? (unsigned)recv->lagged : 1;
    finish(recv);
    EXPECT(error || value == l->last);
    return error != -EPIPE;
}

static void *receive_all(void *arg)
{
    struct listener *l = arg;

    while (receive(l))
        ;
    EXPECT(l->last == VALUES);
    broadcast_leave(&l->receiver);
    return NULL;
}

static void *come_and_receive_all(void *arg)
{
    come(arg);
    return receive_all(arg);
}

static void *change_its_mind(void *arg)
{
    struct listener *l = arg;
    struct broadcast_recv *recv = malloc(sizeof *recv);
    unsigned value;

    come(l);
    *recv = broadcast_recv(&l->receiver, &value);
    sleeper_poll(&l->sleeper, &recv->base);
    finish(recv);
    broadcast_leave(&l->receiver);
    return NULL;
}

static void send_all(void)
{
    for (unsigned value = 1; value <= VALUES; value++)
        EXPECT(broadcast_send(&channel, &value) >= 1);
    broadcast_drop_sender(&channel);
}

void model_run(void)
{
    bool stays = explorer_choose(2) == 0;
    pthread_t threads[LISTENERS];

    EXPECT(broadcast_init(&channel, 1, sizeof(unsigned)) == 0);
    come(&listeners[0]);
    listeners[1].hasty = true;
    pthread_create(&threads[0], NULL, receive_all, &listeners[0]);
    pthread_create(&threads[1], NULL, stays ? come_and_receive_all : change_its_mind, &listeners[1]);
    send_all();
    for (int i = 0; i < LISTENERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(atomic_load_explicit(&listeners[i].sleeper.wakers, memory_order_relaxed) == 0);
    }
    broadcast_destroy(&channel);
}
