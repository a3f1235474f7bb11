/* A thread parks, perhaps only for a while; another one leaves it work and unparks it. The token is neither lost nor left
 * over, and the parker is freed as soon as it was taken.
 */
#include "explore.h"

#include "parker.h"
#include "trace.h"

#include <pthread.h>
#include <stdlib.h>

struct shared {
    struct parker parker;
    unsigned work;
};

static void *leave_work(void *arg)
{
    struct shared *s = arg;

    s->work = 7;
    parker_unpark(&s->parker);
    return NULL;
}

void model_run(void)
{
    struct shared *s = calloc(1, sizeof *s);
    pthread_t thread;

    pthread_create(&thread, NULL, leave_work, s);
    if (explorer_choose(2) == 0 || parker_park_until(&s->parker, trace_now() + 1000) != 0)
        parker_park(&s->parker);
    EXPECT(s->work == 7);
    free(s);
    pthread_join(thread, NULL);
}
