#!/bin/sh
# Lets plain `mpirun -n 16 ...` work with the Open MPI of a virtual environment: with more ranks than cores, and as
# root. Usage: setup/mpi_defaults.sh VENV. It may run any number of times, and touches nothing outside VENV.
set -eu

venv=$1
conf=$venv/etc/prte-mca-params.conf
policy='mapby = slot:oversubscribe'

if [ ! -x "$venv/bin/mpiexec" ] || [ ! -f "$conf" ]; then
    echo "rtsep set-up: no Open MPI in $venv; rtsep runs on one process, mpirun is not available" >&2
    exit 0
fi

# More ranks than cores are allowed, and ranks are not bound to cores: two jobs at a time would share core 0. By slot, as
# Open MPI else fills the first of several hosts with all ranks.
if ! grep -qxF "$policy" "$conf"; then
    sed -i '/^# Set by rtsep\.$/d; /^mapby = /d' "$conf"
    printf '# Set by rtsep.\n%s\n' "$policy" >>"$conf"
fi

# mpirun and mpiexec are the same small program, so mpirun may become a script that prepares mpiexec's environment.
cat >"$venv/bin/mpirun.new" <<'SHIM'
#!/bin/sh
# Set by rtsep; mpiexec beside it is Open MPI's own program. Open MPI refuses root unless it is told twice, and to
# start where HOME is not set.
bin=$(dirname "$(readlink -f "$0")")
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export HOME="${HOME:-/}"
exec "$bin/mpiexec" "$@"
SHIM
chmod 755 "$venv/bin/mpirun.new"
mv -f "$venv/bin/mpirun.new" "$venv/bin/mpirun"
