/* Two senders and a receiver, room for two values, given back for two at once, and blocks of two slots. In the end exactly
 * as much fits into the channel as should.
 */
#include "models/sleeper.h"

#include "mpsc.h"

#include <errno.h>

enum { SENDERS = 2, EACH = 2, CAPACITY = 2, VALUES = SENDERS * EACH };

static struct sleeper receiver, senders[SENDERS];
static struct mpsc channel;

static void *send_all(void *arg)
{
    struct sleeper *self = arg;

    for (unsigned i = 0; i < EACH; i++) {
        unsigned value = 1u << (EACH * (unsigned)(self - senders) + i);
        struct mpsc_send send = mpsc_send(&channel, &value);
        sleeper_run(self, &send.base);
        EXPECT(send.output == 0);
        future_drop(&send.base);
    }
    return NULL;
}

static unsigned receive(void)
{
    unsigned value;
    struct mpsc_recv recv = mpsc_recv(&channel, &value);

    sleeper_run(&receiver, &recv.base);
    EXPECT(recv.output == 0);
    future_drop(&recv.base);
    return value;
}

void model_run(void)
{
    pthread_t threads[SENDERS];
    unsigned sum = 0, fits = 0;

    EXPECT(mpsc_init(&channel, CAPACITY, sizeof(unsigned)) == 0);
    for (int i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, send_all, &senders[i]);
    for (int i = 0; i < VALUES - 1; i++)
        sum += receive();
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    sum += receive();
    EXPECT(sum == (1u << VALUES) - 1);
    EXPECT(mpsc_try_recv(&channel, &sum) == -EAGAIN);
    while (mpsc_try_send(&channel, &sum) == 0)
        fits++;
    EXPECT(fits == CAPACITY);
    mpsc_drop_sender(&channel);
    mpsc_destroy(&channel);
}
