include $(sort $(wildcard $(BR2_EXTERNAL_SEMOIR_PATH)/package/*/*.mk))
