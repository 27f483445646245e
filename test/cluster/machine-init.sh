#!/bin/sh
# A machine of the test cluster: namespaces of its own for everything, and a very small service manager.
#
#   machine-init.sh NAME DIRECTORY CGROUP
#
# Called inside the machine's network namespace. DIRECTORY is the machine's disk: what is below it appears at the same
# path inside (var/lib/kubelet, etc/cni, ...), each executable file in DIRECTORY/units is a program that is kept running,
# and DIRECTORY/pid holds the number of the machine's first process: when that is killed, all others go with it.
set -eu

if [ "${4:-}" != inside ]; then
  name=$1 directory=$2 cgroup=$3
  # A cgroup tree of its own: what runs on one machine is not seen on the others, and is easy to remove.
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p "/sys/fs/cgroup/$cgroup"
    echo $$ >"/sys/fs/cgroup/$cgroup/cgroup.procs"
  else
    for hierarchy in /sys/fs/cgroup/*/cgroup.clone_children; do
      hierarchy=${hierarchy%/*}
      mkdir -p "$hierarchy/$cgroup"
      if [ -e "$hierarchy/cpuset.cpus" ]; then
        cat "$hierarchy/cpuset.cpus" >"$hierarchy/$cgroup/cpuset.cpus"
        cat "$hierarchy/cpuset.mems" >"$hierarchy/$cgroup/cpuset.mems"
        echo 1 >"$hierarchy/$cgroup/cgroup.clone_children"
      fi
      echo $$ >"$hierarchy/$cgroup/cgroup.procs"
    done
  fi
  exec unshare --cgroup --mount --uts --ipc --pid --fork --kill-child --propagation private \
    "$0" "$name" "$directory" "$cgroup" inside
fi

name=$1 directory=$2
# /proc still is the one outside, so this is the number by which others know this process.
read -r pid rest </proc/self/stat
mount -t proc proc /proc
hostname "$name"

cgroups=$(ls /sys/fs/cgroup)
mount -t sysfs sysfs /sys
if [ -e /proc/self/cgroup ] && grep -q '^0::' /proc/self/cgroup && ! grep -q ':cpu' /proc/self/cgroup; then
  mount -t cgroup2 cgroup /sys/fs/cgroup
  # Only a group without processes may have groups with limits below it.
  mkdir /sys/fs/cgroup/init
  while read -r each; do echo "$each" >/sys/fs/cgroup/init/cgroup.procs || true; done </sys/fs/cgroup/cgroup.procs
  sed 's/\([a-z]*\)/+\1/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for each in $cgroups; do
    case $each in
    unified) continue ;;
    systemd) option=none,name=systemd ;;
    *) option=$each ;;
    esac
    mkdir -p "/sys/fs/cgroup/$each"
    mount -t cgroup -o "$option" cgroup "/sys/fs/cgroup/$each"
  done
fi

# /run is empty after a boot. Directories that this computer lacks can be made, but are gone with the machine.
mount -t tmpfs tmpfs /run
for each in etc opt var; do
  mkdir -p "/run/overlay/$each" "/run/overlay/$each.work"
  mount -t overlay -o "lowerdir=/$each,upperdir=/run/overlay/$each,workdir=/run/overlay/$each.work" overlay "/$each"
done
for each in etc/cni etc/kubernetes opt/cni var/lib/cni var/lib/containerd var/lib/etcd var/lib/ironbridge var/lib/kubelet var/log; do
  mkdir -p "/$each" "$directory/$each"
  mount --bind "$directory/$each" "/$each"
done
echo "$name" >/etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts
echo "nameserver 192.168.1.1" >/etc/resolv.conf

# A kubelet sets these for its whole computer when they are different, which here would be this one.
mkdir /run/sysctl
for each in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 \
  kernel/keys/root_maxbytes=25000000; do
  file=/run/sysctl/$(echo "${each%=*}" | tr / .)
  echo "${each#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${each%=*}"
done
# Volumes mounted by the kubelet must appear in containers, and the other way round.
mount --make-rshared /

keep_running() {
  log=/var/log/$(basename "$1").log
  while :; do
    "$1" >>"$log" 2>&1 || echo "--- ended with exit code $?" >>"$log"
    sleep 0.3
  done
}

for unit in "$directory"/units/*; do
  keep_running "$unit" &
done
echo "$pid" >"$directory/pid.new"
mv "$directory/pid.new" "$directory/pid"
wait
