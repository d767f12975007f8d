# Sourced before mpirun on a single machine: Open MPI has to be asked before it runs as root (containers do), starts
# more ranks than cores, and does not pin every mpirun to the same first core. Other MPI libraries ignore all of it.
# shellcheck shell=sh
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_hwloc_base_binding_policy=none
