/* Two writers and a reader, or two readers and a writer: writers are alone, readers see all or nothing of what they write,
 * nobody is forgotten.
 */
#include "explore.h"

#include "rwlock.h"

#include <pthread.h>

static struct rwlock lock;
static unsigned left, right; /* always equal under the lock */

static void *write_both(void *arg)
{
    rwlock_write_lock(&lock);
    left++;
    right++;
    rwlock_write_unlock(&lock);
    return arg;
}

static void *read_both(void *arg)
{
    rwlock_read_lock(&lock);
    EXPECT(left == right);
    rwlock_read_unlock(&lock);
    return arg;
}

void model_run(void)
{
    bool two_write = explorer_choose(2) == 0;
    void *(*const acts[])(void *) = {two_write ? write_both : read_both, read_both, write_both};
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, acts[i], NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    EXPECT(left == (two_write ? 2 : 1));
}
