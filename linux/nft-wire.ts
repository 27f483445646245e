/** linux/netfilter/nf_tables.h, with NFNL_SUBSYS_NFTABLES in the high octet. */
export const NFT_MSG = {
  GETTABLE: 0xa01,
  GETCHAIN: 0xa04,
  GETRULE: 0xa07,
  GETSET: 0xa0a,
  NEWSETELEM: 0xa0c,
  GETSETELEM: 0xa0d,
  DELSETELEM: 0xa0e,
  /** The notice that ends each transaction. */
  NEWGEN: 0xa0f,
} as const;

/** Attributes of every message about elements. */
export const NFTA_SET_ELEM_LIST = { TABLE: 1, SET: 2 } as const;

/** linux/netfilter/nfnetlink.h struct nfgenmsg: family 1, version 1, resource 2. */
export const NFGENMSG_LENGTH = 4;
/** linux/netfilter/nfnetlink.h. */
export const NFNLGRP_NFTABLES = 7;
