/* Two senders and a receiver, room for one value, and blocks of two slots. The receiver destroys the channel as soon as it
 * is told that there are no senders any more.
 */
#include "models/sleeper.h"

#include "mpsc.h"

#include <errno.h>
#include <stdlib.h>

enum { SENDERS = 2, EACH = 1 };

static struct sleeper receiver, senders[SENDERS];
static struct mpsc *channel;

static void *send_all(void *arg)
{
    struct sleeper *self = arg;
    struct mpsc *ch = channel;

    for (unsigned i = 0; i < EACH; i++) {
        unsigned value = 1u << (EACH * (unsigned)(self - senders) + i);
        struct mpsc_send send = mpsc_send(ch, &value);
        sleeper_run(self, &send.base);
        EXPECT(send.output == 0);
        future_drop(&send.base);
    }
    mpsc_drop_sender(ch);
    return NULL;
}

static bool receive(unsigned *sum)
{
    unsigned value;
    struct mpsc_recv recv = mpsc_recv(channel, &value);

    sleeper_run_hastily(&receiver, &recv.base);
    int error = recv.output;
    future_drop(&recv.base);
    EXPECT(error == 0 || error == -EPIPE);
    if (!error)
        *sum += value;
    return !error;
}

void model_run(void)
{
    pthread_t threads[SENDERS];
    unsigned sum = 0;

    channel = malloc(sizeof *channel);
    EXPECT(mpsc_init(channel, 1, sizeof(unsigned)) == 0);
    for (int i = 0; i < SENDERS; i++) {
        mpsc_add_sender(channel);
        pthread_create(&threads[i], NULL, send_all, &senders[i]);
    }
    mpsc_drop_sender(channel);
    while (receive(&sum))
        ;
    EXPECT(sum == (1u << SENDERS * EACH) - 1);
    mpsc_destroy(channel);
    free(channel);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(atomic_load_explicit(&senders[i].wakers, memory_order_relaxed) == 0);
    }
    EXPECT(atomic_load_explicit(&receiver.wakers, memory_order_relaxed) == 0);
}
