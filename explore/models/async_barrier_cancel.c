/* A barrier for two. One task comes and stays, another one comes, looks once and changes its mind. Whether that was in
 * time or the two have met, one of a pair is the leader, and whoever is left over gets a partner who stays. Afterwards the
 * next two can meet.
 */
#include "models/sleeper.h"

#include "async_barrier.h"

#include <stdlib.h>

static struct async_barrier barrier;
static struct sleeper patient, hasty, partner;
static unsigned patient_leads, hasty_leads;
static bool hasty_has_met;

static void *stay(void *arg)
{
    struct async_barrier_wait wait = async_barrier_wait(&barrier);

    sleeper_run_hastily(&patient, &wait.base);
    patient_leads = wait.output;
    future_drop(&wait.base);
    return arg;
}

/* Granted: it had met somebody by the time of its drop, and so could not take its arrival back. */
static void *change_its_mind(void *arg)
{
    struct async_barrier_wait *wait = malloc(sizeof *wait);

    *wait = async_barrier_wait(&barrier);
    bool ready = sleeper_poll(&hasty, &wait->base) == POLL_READY;
    hasty_leads = wait->output;
    future_drop(&wait->base);
    hasty_has_met = ready || wait->waiter.state == WAITER_GRANTED;
    free(wait);
    return arg;
}

static unsigned be_the_partner(void)
{
    struct async_barrier_wait wait = async_barrier_wait(&barrier);

    sleeper_run(&partner, &wait.base);
    future_drop(&wait.base);
    return wait.output;
}

static void meet_once_more(void)
{
    struct async_barrier_wait first = async_barrier_wait(&barrier), second = async_barrier_wait(&barrier);

    EXPECT(sleeper_poll(&partner, &first.base) == POLL_PENDING);
    EXPECT(sleeper_poll(&partner, &second.base) == POLL_READY && second.output);
    EXPECT(sleeper_poll(&partner, &first.base) == POLL_READY && !first.output);
    future_drop(&first.base);
    future_drop(&second.base);
}

void model_run(void)
{
    pthread_t threads[2];
    unsigned leaders = 0;

    async_barrier_init(&barrier, 2);
    pthread_create(&threads[0], NULL, change_its_mind, NULL);
    pthread_create(&threads[1], NULL, stay, NULL);
    pthread_join(threads[0], NULL);
    if (!hasty_has_met)
        leaders += be_the_partner();
    pthread_join(threads[1], NULL);
    EXPECT(leaders + patient_leads + hasty_leads == 1);
    meet_once_more();
    EXPECT(atomic_load_explicit(&patient.wakers, memory_order_relaxed) == 0);
    EXPECT(atomic_load_explicit(&hasty.wakers, memory_order_relaxed) == 0);
    EXPECT(atomic_load_explicit(&partner.wakers, memory_order_relaxed) == 0);
    async_barrier_destroy(&barrier);
}
