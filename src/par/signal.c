#include "tutti/signal.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static volatile sig_atomic_t asked;
static atomic_bool disowned;

static void on_signal(int number)
{
    asked = number;
}

void tt_signals_catch(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit, like a full disk, is an error of the write */
}

bool tt_stop_asked(void)
{
    return asked != 0 || atomic_load(&disowned);
}

void tt_stop_disown(void)
{
    atomic_store(&disowned, true);
}

tt_status tt_stop_owned(void)
{
    if (!atomic_load(&disowned)) return TT_OK;
    return tt_fail(TT_ERR_IO,
                   "the lock of the run directory was removed, or taken over by another run; this one ends");
}

tt_status tt_stop_status(void)
{
    TT_TRY(tt_stop_owned());
    return asked ? tt_fail(TT_STOPPED, "stopped by signal %d (%s)", (int)asked, strsignal(asked)) : TT_OK;
}

tt_status tt_stop_agree(const tt_comm *comm)
{
    return tt_agree(comm, tt_stop_status());
}
