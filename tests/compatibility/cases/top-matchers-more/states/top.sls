base:
  'os:(Debian|Ubuntu)': [{match: grain_pcre}, s1]
  'l:b': [{match: pillar_exact}, s2]
  'deep:er:v*': [{match: pillar}, s3]
  'I@l:b or P@os:Red.*': [{match: compound}, s4]
  '192.0.2.0/24': [{match: ipcidr}, s5]
  '( G@os:Debian or G@os:X ) and minion*': [{match: compound}, s6]
  'ng1': [{match: nodegroup}, s7]
