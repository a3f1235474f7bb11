/* A channel with room for one item, a sender of two and two receivers: every item comes once, and nobody sleeps for ever.
 */
#include "explore.h"

#include "channel.h"

#include <pthread.h>

enum { RECEIVERS = 2 };

static struct channel channel;

static void *receive_one(void *arg)
{
    EXPECT(channel_recv(&channel, (unsigned *)arg) == 0);
    return NULL;
}

void model_run(void)
{
    unsigned received[RECEIVERS];
    pthread_t threads[RECEIVERS];

    EXPECT(channel_init(&channel, 1, sizeof *received) == 0);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_create(&threads[i], NULL, receive_one, &received[i]);
    for (unsigned item = 1; item <= RECEIVERS; item++)
        EXPECT(channel_send(&channel, &item) == 0);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_join(threads[i], NULL);
    EXPECT(received[0] + received[1] == 3);
    channel_destroy(&channel);
}
