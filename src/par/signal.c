#include "tutti/signal.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t asked;

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
    return asked != 0;
}

tt_status tt_stop_agree(const tt_comm *comm)
{
    tt_status mine = TT_OK;
    if (asked) mine = tt_fail(TT_STOPPED, "stopped by signal %d (%s)", (int)asked, strsignal(asked));
    return tt_agree(comm, mine);
}
