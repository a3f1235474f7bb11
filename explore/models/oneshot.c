/* A value through a oneshot channel. The receiver awaits it and then frees the channel; or it polls once, changes its mind
 * and closes the channel, while the sender sends or gives up.
 */
#include "models/sleeper.h"

#include "oneshot.h"

#include <errno.h>
#include <stdlib.h>

struct shared {
    struct oneshot channel;
    unsigned value;
};

static struct sleeper receiver;

static void *send_it(void *arg)
{
    struct shared *s = arg;

    oneshot_send(&s->channel, &(unsigned){7});
    return NULL;
}

static void *abandon_it(void *arg)
{
    struct shared *s = arg;

    oneshot_abandon(&s->channel);
    return NULL;
}

static void await_it(struct shared *s, struct oneshot_recv *recv, bool sent)
{
    sleeper_run_hastily(&receiver, &recv->base);
    EXPECT(recv->output == (sent ? 0 : -EPIPE));
    EXPECT(!sent || s->value == 7);
    future_drop(&recv->base);
}

/* Says whether the sender may still use the channel. */
static bool look_and_close(struct shared *s, struct oneshot_recv *recv)
{
    bool ready = sleeper_poll(&receiver, &recv->base) == POLL_READY;

    future_drop(&recv->base);
    EXPECT(!oneshot_has_value(&s->channel) || s->value == 7);
    return !ready;
}

void model_run(void)
{
    struct shared *s = malloc(sizeof *s);
    bool sends = explorer_choose(2) == 0, awaits = explorer_choose(2) == 0;
    pthread_t thread;

    oneshot_init(&s->channel, &s->value);
    struct oneshot_recv recv = oneshot_recv(&s->channel);
    pthread_create(&thread, NULL, sends ? send_it : abandon_it, s);
    if (awaits)
        await_it(s, &recv, sends);
    else if (look_and_close(s, &recv))
        pthread_join(thread, NULL), thread = 0;
    free(s);
    if (thread)
        pthread_join(thread, NULL);
    EXPECT(atomic_load_explicit(&receiver.wakers, memory_order_relaxed) == 0);
}
