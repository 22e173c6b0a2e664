#!/bin/bash
# A real Slurm of one node on this machine, for tests: everything of it lies in FOLDER, nothing of the system is changed.
# Usage: tests/slurm.sh start FOLDER   then SLURM_CONF=FOLDER/slurm.conf sbatch ...
#        tests/slurm.sh stop FOLDER
# Put FOLDER/bin before PATH: its srun finds the cluster even where a program clears Slurm's variables, as Snakemake does.
# Needs Debian's packages slurmctld, slurmd, slurm-client and munge. SLURM_CONF tells every Slurm command where it is.
set -euo pipefail

start() {
  mkdir -p "$folder"/{spool,state,log,bin}
  printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$folder/slurm.conf" "$(command -v srun)" >"$folder/bin/srun"
  chmod +x "$folder/bin/srun"
  read -r controller daemon < <(python3 - <<'PYTHON'
import socket

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(each.getsockname()[1] for each in sockets))
PYTHON
  )
  cores=$(nproc --all) # nproc alone heeds OMP_NUM_THREADS
  memory=$(awk '/MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
  cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$controller
SlurmdPort=$daemon
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
MinJobAge=300
KillWait=5
InactiveLimit=0
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory Gres=gpu:2
PartitionName=test Nodes=ALL Default=YES MaxTime=120
CONF
  touch "$folder"/gpu{0,1} # stand for device files: counted by Slurm, seen by no program
  echo "NodeName=$(hostname -s) Name=gpu File=$folder/gpu[0-1]" >"$folder/gres.conf"
  dd if=/dev/urandom of="$folder/munge.key" bs=64 count=1 status=none
  chmod 400 "$folder/munge.key"
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --seed-file="$folder/munge.seed" --log-file="$folder/log/munged.log" --num-threads=2 # forced: a folder for this user alone will do
  export SLURM_CONF=$folder/slurm.conf PATH=$PATH:/usr/sbin
  slurmctld -c
  slurmd
  for _ in $(seq 60); do
    [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ] && return
    sleep 0.5
  done
  echo "slurm.sh: the node did not become idle; see $folder/log" >&2
  exit 1
}

stop() {
  export SLURM_CONF=$folder/slurm.conf
  timeout 10 scancel --quiet --user="$(id -un)" || true
  for _ in $(seq 40); do # a step that outlives the controller keeps its daemon
    [ -n "$(timeout 10 squeue --noheader || true)" ] || break
    sleep 0.5
  done
  for daemon in slurmd slurmctld munged; do
    [ -f "$folder/$daemon.pid" ] && kill "$(cat "$folder/$daemon.pid")" || true
  done
}

folder=$(realpath --canonicalize-missing "$2")
case "$1" in start | stop) "$1" ;; *) echo "usage: $0 start|stop FOLDER" >&2 && exit 2 ;; esac
