#include "injection.h"

void injection_init(struct injection *injection)
{
    *injection = (struct injection){.lock = PTHREAD_MUTEX_INITIALIZER};
    queue_init(&injection->tasks);
}

int injection_call_idle(struct injection *injection)
{
    if (!injection->idle)
        return -1;
    int worker = __builtin_ctzll(injection->idle);
    injection->idle &= injection->idle - 1;
    return worker;
}
