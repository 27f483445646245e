/** The value of a kernel setting such as net/ipv4/ip_forward, white space trimmed; undefined when there is none. */
export declare function readSysctl(key: string): string | undefined;

/** Sets it when it differs. Keys use slashes, because interface names hold dots. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export declare function writeSysctl(key: string, value: string): void;
